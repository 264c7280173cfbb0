package durabletest

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
)

// Thorough is set by "make slow": faults are tried everywhere.
var Thorough = flag.Bool("thorough", false, "try faults at every bit, byte and operation, not at one in some")

// more is set by CI, which has no time to try everything.
var more = flag.Int("more", 1, "try so many times as many of the sampled cases, chosen by chance, as a plain run")

// Every returns the first case and the step, for a test in which trying one case in n is
// enough for a plain run. With -short, as under the race detector, it is one in 5n. If rnd
// is nil, only the test's own message says where it began.
func Every(n int, rnd *rand.Rand) (first, step int) {
	if *Thorough {
		return 0, 1
	}
	if testing.Short() {
		n *= 5
	}
	n = max(1, n / *more)
	if rnd == nil {
		return rand.IntN(n), n
	}
	return rnd.IntN(n), n
}

// Sample returns n of the cases at random, in their order, or all of them if the test is
// thorough. It is for cases that each test the same on different ground: the names of
// subtests show which were tried.
func Sample[T any](n int, cases []T) []T {
	n *= *more
	if *Thorough || n >= len(cases) {
		return cases
	}
	var some []T
	chosen := rand.Perm(len(cases))[:n]
	for i, c := range cases {
		if slices.Contains(chosen, i) {
			some = append(some, c)
		}
	}
	return some
}

// Seldom skips a test that takes more than a second of a core in all but one of n plain
// runs. It always runs if everything is requested (-thorough) or tests are named (-run): a
// line of "make slow" names each.
func Seldom(t testing.TB, n int) {
	t.Helper()
	if *Thorough || flag.Lookup("test.run").Value.String() != "" || rand.IntN(n) < *more {
		return
	}
	t.Skipf("it is run one time in %d; make slow runs it", n)
}

// Asked skips a test that is too slow for any plain run, unless everything is requested
// (-thorough) or tests are named (-run), as by "make slow".
func Asked(t testing.TB) {
	t.Helper()
	if !*Thorough && flag.Lookup("test.run").Value.String() == "" {
		t.Skip("it takes long; make slow runs it")
	}
}
