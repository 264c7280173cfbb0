package index

import (
	"os"
	"regexp"
	"testing"
)

// BenchmarkIndex reads a whole index, given by its directory:
//
//	CLONECRATESIO_INDEX=~/crates.io-index go test -run - -bench Index -benchtime 3x ./internal/index
func BenchmarkIndex(b *testing.B) {
	dir := os.Getenv("CLONECRATESIO_INDEX")
	if dir == "" {
		b.Skip("CLONECRATESIO_INDEX names no index to read")
	}
	b.Run("all", func(b *testing.B) { benchmarkIndex(b, dir, nil) })
	b.Run("none", func(b *testing.B) { benchmarkIndex(b, dir, func(File) bool { return false }) })
}

func benchmarkIndex(b *testing.B, dir string, want func(File) bool) {
	x, err := Open(b.Context(), dir, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer x.Close()
	var crates, versions, yanked, bad, unread, size int
	for b.Loop() {
		crates, versions, yanked, bad, unread, size = 0, 0, 0, 0, 0, 0
		for c, err := range x.Crates(b.Context(), want) {
			if err != nil {
				b.Fatal(err)
			}
			crates++
			versions += len(c.Entries)
			bad += len(c.Bad)
			for _, e := range c.Bad {
				b.Log(e)
			}
			if c.Err != nil {
				unread++
			}
			for i := range c.Entries {
				size += len(c.Entries[i].Raw) + 1
				if c.Entries[i].Yanked {
					yanked++
				}
			}
		}
	}
	b.SetBytes(int64(size))
	b.Logf("%d crates, %d versions, %d yanked, %d bad lines, %d files unread, %d bytes, peak memory without git's: %s",
		crates, versions, yanked, bad, unread, size, peakMemory())
}

// peakMemory returns this process' own peak of resident memory.
func peakMemory() string {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "unknown on this system"
	}
	return string(regexp.MustCompile(`VmHWM:\s*(.*)`).FindSubmatch(status)[1])
}
