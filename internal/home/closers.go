package home

import "errors"

// Closers collects what must be closed or released, in reverse order. The zero value is empty.
type Closers struct{ list []func() error }

// Add adds a function that Close calls.
func (c *Closers) Add(close func() error) { c.list = append(c.list, close) }

// Close calls all functions, the last one first. A second Close does nothing.
func (c *Closers) Close() error {
	var errs []error
	for i := len(c.list) - 1; i >= 0; i-- {
		errs = append(errs, c.list[i]())
	}
	c.list = nil
	return errors.Join(errs...)
}
