//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// stage is the index at one time. Each stage has one version in a hundred more than the
// previous one.
type stage struct {
	index    string // its folder
	list     string // what is new, for curl
	versions int    // in total
}

// prepare builds the program and makes the files. It does so in another process, since Linux
// would count this one's memory towards the processes that it starts.
func (b *bencher) prepare() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.Command(self, "-make", b.dir, "-n", strconv.Itoa(b.n), "-median", strconv.Itoa(*median))
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("making crates: %w", err)
	}
	return b.build()
}

func makeFiles(dir string) error {
	reg := simreg.Generate(*n, *median, 1)
	if err := reg.WriteTree(filepath.Join(dir, "tree")); err != nil {
		return err
	}
	return reg.WriteIndex(filepath.Join(dir, "index"))
}

// stage writes the index at one time. The last versions of each hundred appear one after the
// other, including one for the round that warms up.
func (b *bencher) stage(at int) (s stage, err error) {
	s = stage{index: b.path(fmt.Sprintf("index-%d", at)), list: b.path(fmt.Sprintf("curl-%d.cfg", at))}
	var list bytes.Buffer
	counted := 0
	err = filepath.WalkDir(b.path("index"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		all, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var shown []byte
		for line := range bytes.Lines(all) {
			comes := 0
			if d.Name() != "config.json" {
				comes = max(0, counted%100-(98-*rounds))
				counted++
			}
			if comes > at {
				continue
			}
			if shown = append(shown, line...); d.Name() == "config.json" {
				continue
			}
			if s.versions++; comes == at {
				if err := b.ask(&list, line); err != nil {
					return err
				}
			}
		}
		return b.show(s, path, shown)
	})
	if err != nil {
		return s, err
	}
	return s, os.WriteFile(s.list, list.Bytes(), 0o600)
}

// show writes an index file, unless it exists.
func (b *bencher) show(s stage, path string, lines []byte) error {
	rel, err := filepath.Rel(b.path("index"), path)
	if err != nil || len(lines) == 0 {
		return err
	}
	to := filepath.Join(s.index, rel)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return os.WriteFile(to, lines, 0o600)
}

// ask adds the version of an index line to curl's list.
func (b *bencher) ask(list *bytes.Buffer, line []byte) error {
	var entry struct{ Name, Vers string }
	if err := json.Unmarshal(line, &entry); err != nil {
		return err
	}
	id := crate.ID{Name: entry.Name, Version: entry.Vers}
	_, err := fmt.Fprintf(list, "url=%s/%s\noutput=%s\n", b.base, id.URLPath(), filepath.Join(b.path("curl"), id.Name, id.FileName()))
	return err
}
