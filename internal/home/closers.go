package home

import "errors"

// Closers are what to close or release, the last one first. The zero value is none.
type Closers struct{ list []func() error }

// Add adds one.
func (c *Closers) Add(close func() error) { c.list = append(c.list, close) }

// Close closes all. Another Close does nothing.
func (c *Closers) Close() error {
	var errs []error
	for i := len(c.list) - 1; i >= 0; i-- {
		errs = append(errs, c.list[i]())
	}
	c.list = nil
	return errors.Join(errs...)
}
