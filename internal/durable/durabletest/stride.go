package durabletest

import (
	"flag"
	"testing"
)

// Every asks for the full count of the tests that try a fault at every bit, byte
// or operation, as "make slow" does.
var Every = flag.Bool("every", false, "try faults everywhere, not only here and there")

// Stride is how far apart such a test tries them: usual, five times that under
// -short, 1 with -every.
func Stride(usual int) int {
	switch {
	case *Every:
		return 1
	case testing.Short():
		return 5 * usual
	}
	return usual
}
