package receive

import (
	"bytes"
	"compress/zlib"
	"crypto/sha1"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/carry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// forge puts something else in the place of a file of a volume, and signs it with the
// right key.
func (w *world) forge(volume, name string, change func(m *transfer.Manifest, data []byte) []byte) {
	w.T.Helper()
	path := filepath.Join(volume, name)
	data, err := os.ReadFile(path)
	must(w.T, err)
	m := manifestOf(w.T, volume)
	data = change(m, data)
	for i := range m.Files {
		if f := &m.Files[i]; f.Name == name {
			f.Size = int64(len(data))
			f.SHA256, _, _ = crate.Hash(bytes.NewReader(data))
		}
	}
	note, err := m.Seal(w.key)
	must(w.T, err)
	must(w.T, os.WriteFile(path, data, 0o644))
	must(w.T, os.WriteFile(filepath.Join(volume, transfer.NoteName), note, 0o644))
}

// TestHostile: what the holder of the key has made to do harm is refused before the mirror
// changes, and nothing outside of it is touched.
func TestHostile(t *testing.T) {
	dear(t)
	w := newWorld(t)
	first, medium := filepath.Join(w.dir, "first"), filepath.Join(w.dir, "medium")
	w.export(first, full)
	w.take(first)
	base := manifestOf(t, glob(t, first)).End.Commit
	w.publish(true, many("a", 3)...)
	w.export(medium, nil)
	before := shows(t, w.far)
	outside := filepath.Join(w.dir, "near")
	untouched := tree(t, outside)
	type change = func(*transfer.Manifest, []byte) []byte
	for name, c := range map[string]struct {
		file   string
		change change
		want   string
	}{
		"a bundle that is none":           {"bundle-0000.tar.zst", func(*transfer.Manifest, []byte) []byte { return []byte("hello") }, "bundle-0000.tar.zst"},
		"a bundle that says more crates":  {"bundle-0000.tar.zst", func(m *transfer.Manifest, b []byte) []byte { m.Files[len(m.Files)-1].Entries++; return b }, "other than 4 crates"},
		"a bundle that says less crates":  {"bundle-0000.tar.zst", func(m *transfer.Manifest, b []byte) []byte { m.Files[len(m.Files)-1].Entries--; return b }, "other than 2 crates"},
		"a bundle without its last frame": {"bundle-0000.tar.zst", func(_ *transfer.Manifest, b []byte) []byte { return b[:len(b)-9] }, "bundle-0000.tar.zst"},
		"facts of another kind": {transfer.FactsName, func(*transfer.Manifest, []byte) []byte {
			return []byte(`{"kind":"run","name":"a","version":"1.0.0"}` + "\n")
		}, "is not known"},
		"facts without an end": {transfer.FactsName, func(*transfer.Manifest, []byte) []byte { return bytes.Repeat([]byte("a"), 1<<20) }, "facts.jsonl"},
		"facts of a path": {transfer.FactsName, func(*transfer.Manifest, []byte) []byte {
			return []byte(`{"kind":"gone","name":"../x","version":"1.0.0"}`)
		}, "facts.jsonl"},
		"an index that is none": {transfer.IndexName, func(*transfer.Manifest, []byte) []byte { return []byte("#!/bin/sh\n") }, "does not begin with"},
		"an index with a hook": {transfer.IndexName, func(_ *transfer.Manifest, b []byte) []byte {
			return bytes.Replace(b, []byte("refs/heads/master"), []byte("hooks/post-update"), 1)
		}, "which is not the index"},
		"an index with a bomb":            {transfer.IndexName, func(m *transfer.Manifest, _ []byte) []byte { return bomb(m.End.Commit) }, "it has more than 67108864 bytes"},
		"an index with an endless object": {transfer.IndexName, func(m *transfer.Manifest, _ []byte) []byte { return endless(m.End.Commit) }, "bytes or more, not the"},
		"a tree that is a repository":     {transfer.IndexName, w.tree(base, ".git"), "hasDotgit"},
		"a tree that leads out":           {transfer.IndexName, w.tree(base, ".."), "hasDotdot"},
		"another commit":                  {transfer.IndexName, func(m *transfer.Manifest, b []byte) []byte { m.End.Commit = strings.Repeat("12", 20); return b }, "it is of "},
	} {
		if !*durabletest.Thorough && rand.IntN(3) > 0 {
			continue // each costs an import
		}
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "medium")
			must(t, os.CopyFS(dir, os.DirFS(medium)))
			w.forge(glob(t, dir), c.file, c.change)
			_, err := Run(t.Context(), w.config(dir))
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "nothing was changed") {
				t.Errorf("%v, want %q", err, c.want)
			}
			if after := shows(t, w.far); after != before {
				t.Errorf("the mirror shows another state (-before +after):\n%s", cmp.Diff(before, after))
			}
		})
	}
	if diff := cmp.Diff(untouched, tree(t, outside)); diff != "" {
		t.Errorf("outside:\n%s", diff)
	}
	if left, _ := filepath.Glob(filepath.Join(w.far.Index, "objects", "tmp_*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	w.take(medium)
	w.wantSame()
}

func glob(t *testing.T, dir string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, "transfer-*", "volume-001"))
	if err != nil || len(found) != 1 {
		t.Fatal(dir, found, err)
	}
	return found[0]
}

// pack is a bundle of one blob that claims a size.
func pack(commit string, says int64, data []byte) []byte {
	var b bytes.Buffer
	b.WriteString("PACK\x00\x00\x00\x02\x00\x00\x00\x01")
	head := []byte{byte(3<<4 | says&15)}
	for rest := says >> 4; rest > 0; rest >>= 7 {
		head[len(head)-1] |= 128
		head = append(head, byte(rest&127))
	}
	b.Write(head)
	z := zlib.NewWriter(&b)
	z.Write(data)
	z.Close()
	sum := sha1.Sum(b.Bytes())
	b.Write(sum[:])
	return append(fmt.Appendf(nil, "# v2 git bundle\n%s refs/heads/master\n\n", commit), b.Bytes()...)
}

func bomb(commit string) []byte    { return pack(commit, 200<<20, make([]byte, 10)) }
func endless(commit string) []byte { return pack(commit, 10, make([]byte, 10<<20)) }

// tree makes an index with a tree that has an entry of a name, in a clone of upstream's.
func (w *world) tree(base, name string) func(*transfer.Manifest, []byte) []byte {
	dir := filepath.Join(w.T.TempDir(), "evil.git")
	indextest.Git(w.T, w.dir, "clone", "-q", "--bare", w.Git, dir)
	blob := indextest.Git(w.T, dir, "rev-parse", base+":config.json")
	object := append([]byte("100644 "+name+"\x00"), unhex(blob)...)
	file := filepath.Join(w.T.TempDir(), "tree")
	must(w.T, os.WriteFile(file, object, 0o644))
	tree := indextest.Git(w.T, dir, "hash-object", "-t", "tree", "-w", "--literally", file)
	commit := indextest.Git(w.T, dir, "commit-tree", "-p", base, "-m", "evil", tree)
	return func(m *transfer.Manifest, _ []byte) []byte {
		var b bytes.Buffer
		if _, err := carry.Write(w.T.Context(), dir, []string{base}, commit, &b); err != nil {
			w.T.Fatal(err)
		}
		m.End.Commit = commit
		return b.Bytes()
	}
}

func unhex(id string) []byte {
	var out []byte
	for i := 0; i < len(id); i += 2 {
		var c byte
		fmt.Sscanf(id[i:i+2], "%02x", &c)
		out = append(out, c)
	}
	return out
}
