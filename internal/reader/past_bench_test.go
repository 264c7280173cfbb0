package reader

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
)

const pastDays = 2000

// BenchmarkPast opens days of an index that keeps five years of them, each with
// changes in twenty of its 19,000 files. "cold" has opened the index a second
// ago, and nothing else.
//
//	go test -run - -bench Past ./internal/reader
func BenchmarkPast(b *testing.B) {
	cfg := Config{Dirs: home.Dirs{Crates: b.TempDir(), Index: filepath.Join(b.TempDir(), "index.git")}, All: true}
	makeLargeIndex(b, cfg.Dirs.Index)
	makePast(b, cfg.Dirs.Index)
	open := func() *View {
		v, err := Open(b.Context(), cfg)
		if err != nil {
			b.Fatal(err)
		}
		return v
	}
	past := func(b *testing.B, v *View, name string) {
		b.Helper()
		p, err := v.At(b.Context(), pastDay(rand.IntN(pastDays)))
		if err != nil {
			b.Fatal(err)
		}
		if c, err := v.CrateAt(b.Context(), p.Commit, name); err != nil || len(c.Entries) != perCrate {
			b.Fatal(c, err)
		}
	}
	now := func(b *testing.B, v *View, name string) {
		b.Helper()
		if _, err := v.Crate(b.Context(), name); err != nil {
			b.Fatal(err)
		}
	}
	for name, read := range map[string]func(*testing.B, *View, string){"now": now, "past": past} {
		b.Run("cold/"+name, func(b *testing.B) {
			var took []time.Duration
			for b.Loop() {
				v := open()
				time.Sleep(time.Second) // the server begins
				start := time.Now()
				read(b, v, largeName(rand.IntN(largeIndexed)))
				took = append(took, time.Since(start))
				v.Close()
			}
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-median")
			b.ReportMetric(float64(took[len(took)-1].Microseconds())/1000, "ms-max")
		})
		b.Run("warm/"+name, func(b *testing.B) {
			v := open()
			defer v.Close()
			for b.Loop() {
				read(b, v, largeName(rand.IntN(largeIndexed)))
			}
		})
	}
}

func pastDay(n int) string {
	return time.Date(2020, 1, 1+n, 0, 0, 0, 0, time.UTC).Format(time.DateOnly)
}

// makePast adds the days to the index.
func makePast(b *testing.B, dir string) {
	b.Helper()
	var text bytes.Buffer
	for n := range pastDays {
		when := time.Date(2020, 1, 1+n, 20, 0, 0, 0, time.UTC).Unix()
		fmt.Fprintf(&text, "commit refs/heads/master\nmark :%d\ncommitter b <b@example.org> %d +0000\ndata 1\nx\n", n+1, when)
		if n == 0 {
			text.WriteString("from refs/heads/master^0\n")
		}
		for range 20 {
			i := rand.IntN(largeIndexed)
			file := strings.Replace(string(largeFile(i)), `"yanked":false`, fmt.Sprintf(`"yanked":%t`, rand.IntN(2) == 0), 1)
			fmt.Fprintf(&text, "M 644 inline %s\ndata %d\n%s\n", crate.IndexPath(largeName(i)), len(file), file)
		}
		fmt.Fprintf(&text, "reset refs/clonecratesio/days/%s\nfrom :%d\n\n", pastDay(n), n+1)
	}
	for _, args := range []string{"fast-import --quiet", "pack-refs --all"} { // the latter is what gc does
		cmd := exec.CommandContext(b.Context(), "git", append([]string{"--git-dir=" + dir}, strings.Fields(args)...)...)
		cmd.Stdin = &text
		if out, err := cmd.CombinedOutput(); err != nil {
			b.Fatalf("%v\n%s", err, out)
		}
	}
}
