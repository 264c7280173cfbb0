package demo

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// Publish publishes a crate of that name.
func (r *Registry) Publish(name string) {
	r.Heal()
	r.Add(simreg.Version{Name: name, Version: "1.0.0"})
}

// FlipBit flips a bit in the middle of the only file that matches a pattern, like an ageing
// medium. It returns a function that flips it back.
func FlipBit(pattern string) (back func() error, err error) {
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) != 1 {
		return nil, fmt.Errorf("want one file %s: %v, %w", pattern, names, err)
	}
	flip := func() error {
		data, err := os.ReadFile(names[0])
		if err != nil {
			return err
		}
		data[len(data)/2] ^= 1
		return os.WriteFile(names[0], data, 0o644)
	}
	return flip, flip()
}
