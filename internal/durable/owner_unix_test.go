//go:build unix

package durable_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Everything that root creates in another user's folder belongs to that user; existing
// files keep their owner.
func TestK4RootGivesAwayWhatItMakes(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root")
	}
	const user, group = 65534, 65533
	home := t.TempDir()
	must(t, os.WriteFile(filepath.Join(home, "before"), nil, 0o644))
	must(t, os.Chown(home, user, group))

	fsys, err := durable.Create(filepath.Join(home, "a", "b"))
	must(t, err)
	defer fsys.Close()
	must(t, fsys.MkdirAll("c/d"))
	must(t, fsys.MkdirAll("c/d"))
	put(t, fsys, "c/d/new", "x")
	must(t, durable.WriteFile(fsys, "whole", []byte("x")))
	f, err := fsys.Append("grows")
	must(t, err)
	must(t, f.Close())
	lock, err := durable.Lock(filepath.Join(home, "a", "lock"), durable.Self("test"))
	must(t, err)
	must(t, lock.Release())
	must(t, durable.Touch(filepath.Join(home, "database")))
	must(t, durable.Touch(filepath.Join(home, "before")))

	// Files that another program created, except those with a second name.
	repo, elsewhere := filepath.Join(home, "repo"), filepath.Join(t.TempDir(), "before")
	must(t, os.MkdirAll(filepath.Join(repo, "refs"), 0o755))
	must(t, os.WriteFile(filepath.Join(repo, "refs", "master"), nil, 0o444))
	must(t, os.WriteFile(elsewhere, nil, 0o600))
	must(t, os.Link(elsewhere, filepath.Join(repo, "before")))
	must(t, os.Symlink(elsewhere, filepath.Join(home, "a", "link")))
	must(t, durable.GiveAway(repo))
	if err := durable.GiveAway(filepath.Join(home, "a", "link")); err != nil {
		t.Errorf("a link in the place of a folder: %v", err)
	}
	must(t, os.Remove(filepath.Join(home, "a", "link")))

	seen := 0
	must(t, filepath.WalkDir(home, func(path string, e fs.DirEntry, err error) error {
		must(t, err)
		info, err := e.Info()
		must(t, err)
		st := info.Sys().(*syscall.Stat_t)
		want := [2]uint32{user, group}
		if e.Name() == "before" {
			want = [2]uint32{}
		}
		if got := [2]uint32{st.Uid, st.Gid}; got != want {
			t.Errorf("%s belongs to %v, want %v", path, got, want)
		}
		seen++
		return nil
	}))
	if seen != 15 {
		t.Errorf("%d files and folders, want 15", seen)
	}
}
