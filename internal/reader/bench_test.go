package reader

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// BenchmarkLarge opens a mirror of as many versions as crates.io had in
// September 2025, with an index of a tenth of the crates, whose lines are as
// long as the real ones. It takes a minute to make it.
//
//	go test -run - -bench Large ./internal/reader
func BenchmarkLarge(b *testing.B) {
	dir := b.TempDir()
	cfg := Config{Dirs: home.Dirs{Crates: filepath.Join(dir, "crates"), Index: filepath.Join(dir, "index.git")}}
	makeLargeCatalog(b, &cfg.Dirs)
	makeLargeIndex(b, cfg.Dirs.Index)
	debug.FreeOSMemory()
	_ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) // forget the peak

	start := time.Now()
	v, err := Open(b.Context(), cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer v.Close()
	b.Logf("opened after %v", time.Since(start))
	waitFor := func(what string, so func() bool) {
		for !so() {
			time.Sleep(time.Millisecond)
		}
		b.Logf("%s after %v", what, time.Since(start))
	}
	waitFor("names are known", func() bool { _, n := v.Search("crate", 0, 1); return n == largeCrates })
	waitFor("all is counted", func() bool { return v.Totals().Versions == largeVersions })

	for _, query := range []string{"", "crate", largeName(77), "zz", "nothing-like-it"} {
		b.Run("search "+query, func(b *testing.B) {
			for b.Loop() {
				v.Search(query, 0, 10)
			}
		})
	}
	b.Run("crate", func(b *testing.B) {
		for b.Loop() {
			if c, err := v.Crate(b.Context(), largeName(rand.IntN(largeIndexed))); err != nil || len(c.Entries) != perCrate {
				b.Fatal(c, err)
			}
		}
	})
	b.Run("crates in parallel", func(b *testing.B) {
		b.SetParallelism(32)
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				if _, err := v.Crate(b.Context(), largeName(rand.IntN(largeIndexed))); err != nil {
					b.Error(err)
				}
			}
		})
	})
	status, _ := os.ReadFile("/proc/self/status")
	b.Logf("memory, git's apart: %s", regexp.MustCompile(`Vm(HWM|RSS):.*`).FindAll(status, -1))
}

const (
	largeCrates   = 190_000
	perCrate      = 9
	largeVersions = largeCrates * perCrate
	largeIndexed  = largeCrates / 10
)

// largeName returns the name of the n-th crate. Names spread over the folders of
// an index.
func largeName(n int) string {
	h := uint32(n) * 2654435761
	letters := [4]byte{}
	for i := range letters {
		letters[i] = 'a' + byte(h>>(8*i)%26)
	}
	return string(letters[:]) + "-crate-" + strconv.Itoa(n)
}

func largeID(n, v int) crate.ID {
	return crate.ID{Name: largeName(n), Version: fmt.Sprintf("0.%d.0", v)}
}

func makeLargeCatalog(b *testing.B, d *home.Dirs) {
	b.Helper()
	if err := os.MkdirAll(d.State(), 0o755); err != nil {
		b.Fatal(err)
	}
	c, err := catalog.Open(d.Catalog())
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	batch := catalog.Batch{}
	for n := range largeCrates {
		for v := range perCrate {
			batch.Versions = append(batch.Versions, catalog.Version{ID: largeID(n, v), Checksum: crate.Checksum{1}, Size: 1,
				Placement: store.Placement{Loose: true}, Listed: true, VerifiedAt: time.Unix(1, 0)})
		}
		if n%10_000 == 9_999 {
			if err := c.Commit(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
			batch.Versions = batch.Versions[:0]
		}
	}
}

// makeLargeIndex makes a bare repository, through git fast-import.
func makeLargeIndex(b *testing.B, dir string) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	if err := exec.CommandContext(ctx, "git", "init", "-q", "--bare", "--initial-branch=master", dir).Run(); err != nil {
		b.Skip(err)
	}
	cmd := exec.CommandContext(ctx, "git", "--git-dir="+dir, "fast-import", "--quiet")
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	w := bufio.NewWriterSize(in, 1<<20)
	fmt.Fprint(w, "commit refs/heads/master\ncommitter b <b@example.org> 1700000000 +0000\ndata 1\nx\n")
	for n := range largeIndexed {
		file := largeFile(n)
		fmt.Fprintf(w, "M 644 inline %s\ndata %d\n%s\n", crate.IndexPath(largeName(n)), len(file), file)
	}
	if err := w.Flush(); err != nil {
		b.Fatal(err)
	}
	in.Close()
	if err := cmd.Wait(); err != nil {
		b.Fatal(err)
	}
}

func largeFile(n int) []byte {
	var file bytes.Buffer
	deps := make([]string, 8)
	for i := range deps {
		deps[i] = fmt.Sprintf(`{"name":"dep-%d","req":"^1.%d","features":["std","derive"],"optional":false,"default_features":true,"target":null,"kind":"normal"}`, n%97+i, i)
	}
	for v := range perCrate {
		id := largeID(n, v)
		fmt.Fprintf(&file, `{"name":%q,"vers":%q,"deps":[%s],"cksum":%q,"features":{},"yanked":false}`+"\n",
			id.Name, id.Version, strings.Join(deps, ","), crate.Checksum{1})
	}
	return file.Bytes()
}

// BenchmarkOpenFile gives out crates that were hashed before.
func BenchmarkOpenFile(b *testing.B) {
	for _, size := range []int{20_000, 84_000, 1_000_000, 5_000_000} {
		for _, h := range []how{{}, {bundle: true, target: 1 << 30}} {
			b.Run(fmt.Sprintf("%d/bundled=%v", size, h.bundle), func(b *testing.B) {
				w := newWorld(b, fmt.Sprintf("serde 1.0.0\n  size %d", size))
				w.run(h)
				time.Sleep(3 * time.Second) // until a proof of the file is remembered
				v := w.view(nil)
				b.SetBytes(int64(size))
				for b.Loop() {
					benchmarkOpen(b, v)
				}
			})
		}
	}
}

func benchmarkOpen(b *testing.B, v *View) {
	f, err := v.Open(b.Context(), serde100)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, f); err != nil {
		b.Fatal(err)
	}
	f.Close()
}
