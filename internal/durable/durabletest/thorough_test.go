package durabletest

import (
	"flag"
	"slices"
	"testing"
)

// setFlag changes a flag during a test.
func setFlag(t *testing.T, name, value string) {
	t.Helper()
	f := flag.Lookup(name)
	old := f.Value.String()
	if err := f.Value.Set(value); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Value.Set(old) })
}

// What a plain run, CI and "make slow" try.
func TestHowMuchIsTried(t *testing.T) {
	cases := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}
	setFlag(t, "test.short", "false")
	for _, tt := range []struct {
		thorough, more string
		sample, step   int
	}{{"false", "1", 3, 10}, {"false", "2", 6, 5}, {"false", "20", 10, 1}, {"true", "1", 10, 1}} {
		setFlag(t, "thorough", tt.thorough)
		setFlag(t, "more", tt.more)
		some := Sample(3, cases)
		if len(some) != tt.sample || !slices.IsSorted(some) || len(slices.Compact(some)) != tt.sample {
			t.Errorf("-thorough=%s -more %s samples %v", tt.thorough, tt.more, some)
		}
		if first, step := Every(10, nil); step != tt.step || first >= step {
			t.Errorf("-thorough=%s -more %s tries each %d from %d", tt.thorough, tt.more, step, first)
		}
	}
	setFlag(t, "more", "1")
	setFlag(t, "test.run", "")
	for range 100 { // never skips a thorough or named test
		Seldom(t, 1000)
		Asked(t)
	}
	setFlag(t, "thorough", "false")
	setFlag(t, "test.run", "TestHowMuchIsTried")
	for range 100 {
		Seldom(t, 1000)
		Asked(t)
	}
	setFlag(t, "test.run", "")
	for name, skip := range map[string]func(testing.TB){"asked": Asked, "seldom": func(t testing.TB) { Seldom(t, 1e9) }} {
		t.Run(name, func(t *testing.T) {
			t.Cleanup(func() {
				if !t.Skipped() {
					t.Error("a plain run has run it")
				}
			})
			skip(t)
		})
	}
}
