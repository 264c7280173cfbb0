package bucket

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// TestFolderPowerCuts cuts the power at each operation: after that an object in a folder is
// complete or missing, and one that Put reported as stored exists.
func TestFolderPowerCuts(t *testing.T) {
	const content = "an object"
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 0))
		m := durabletest.NewMem()
		check := func(when string, stored bool) {
			t.Helper()
			data, _, err := ReadAll(t.Context(), newFolder(m.Crash(rnd), ""), "a/b/c", Ask{}, 100)
			if gone := errors.Is(err, fs.ErrNotExist); gone && stored || err != nil && !gone || err == nil && string(data) != content {
				t.Errorf("seed %d, power cut %s: %q, %v", seed, when, data, err)
			}
		}
		f := newFolder(durabletest.Hook(m, func(op durabletest.Op) durabletest.Fault {
			check("before "+op.String(), false)
			return durabletest.Fault{}
		}), "")
		// Another machine created the folder, and its name is not durable yet.
		if err := m.MkdirAll("a/b"); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Put(t.Context(), "a/b/c", Bytes([]byte(content)), Absent()); err != nil {
			t.Fatal(err)
		}
		check("afterwards", true)
	}
}
