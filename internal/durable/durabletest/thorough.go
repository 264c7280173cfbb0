package durabletest

import (
	"flag"
	"math/rand/v2"
	"slices"
	"testing"
)

// Thorough is what "make slow" sets: faults are tried everywhere.
var Thorough = flag.Bool("thorough", false, "try faults at every bit, byte and operation, not at one in some")

// more is what CI sets, which has no time for all.
var more = flag.Int("more", 1, "try so many times as many of the sampled cases, chosen by chance, as a plain run")

// Every returns the step and the first of the cases to try where one in n is enough for a
// test that is run all the time. With -short, as under the race detector, one in 5n is.
// If rnd is nil, nothing but the test's own message tells where it began.
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

// Sample returns n of the cases of a test that is run all the time, in their order and
// chosen by chance; all of them if the test is thorough. It is for cases that each test
// the same on other ground: the names of subtests tell which were tried.
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

// Seldom skips a test that takes a second of a core and more, but for one plain run in n.
// It is run if all is asked for (-thorough) or tests are named (-run): a line of "make
// slow" names each.
func Seldom(t testing.TB, n int) {
	t.Helper()
	if *Thorough || flag.Lookup("test.run").Value.String() != "" || rand.IntN(n) < *more {
		return
	}
	t.Skipf("it is run one time in %d; make slow runs it", n)
}

// Asked skips a test for which no plain run has the time, unless all is asked for
// (-thorough) or tests are named (-run), as "make slow" does.
func Asked(t testing.TB) {
	t.Helper()
	if !*Thorough && flag.Lookup("test.run").Value.String() == "" {
		t.Skip("it takes long; make slow runs it")
	}
}
