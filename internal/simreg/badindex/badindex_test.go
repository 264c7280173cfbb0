package badindex

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// acceptable is a reader of index lines that is as plain as it can be: what it
// takes and what it refuses must be what Bad says.
func acceptable(path string, line []byte) (id crate.ID, sum crate.Checksum, ok bool) {
	const most = 16 << 20
	var e struct {
		Name, Vers, Cksum string
		Yanked            bool
	}
	if len(line) > most || json.Unmarshal(line, &e) != nil || !bytes.Equal(bytes.ToValidUTF8(line, nil), line) {
		return id, sum, false
	}
	id = crate.ID{Name: e.Name, Version: e.Vers}
	sum, err := crate.ParseChecksum(e.Cksum)
	return id, sum, err == nil && id.Check() == nil && crate.IndexPath(id.Name) == path
}

func TestBadIndexIsWhatItSays(t *testing.T) {
	dir := t.TempDir()
	bad, err := Write(dir)
	if err != nil {
		t.Fatal(err)
	}
	held := make(map[crate.ID]bool) // whether the last line has the right checksum
	var rejected []string
	for _, path := range indexPaths(t, dir) {
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
		if err != nil {
			t.Fatal(err)
		}
		data = bytes.TrimSuffix(bytes.TrimPrefix(data, []byte("\ufeff")), []byte("\n"))
		for i, line := range bytes.Split(data, []byte("\n")) {
			id, sum, ok := acceptable(path, bytes.TrimSpace(line))
			if !ok {
				rejected = append(rejected, Line{Path: path, Line: i + 1}.String())
				continue
			}
			want, err := bad.Registry.Checksum(id)
			held[id] = err == nil && sum == want
		}
	}
	var want []string
	for _, l := range bad.Reject {
		want = append(want, Line{Path: l.Path, Line: l.Line}.String())
	}
	slices.Sort(want)
	slices.Sort(rejected)
	if !slices.Equal(rejected, want) {
		t.Errorf("refused are\n%s\nBad says\n%s", strings.Join(rejected, "\n"), strings.Join(want, "\n"))
	}
	for _, id := range slices.Concat(bad.Survive, bad.Collide) {
		if !held[id] {
			t.Errorf("%s cannot be had", id)
		}
	}
	for _, id := range bad.Dispute {
		if held[id] {
			t.Errorf("%s is not in dispute", id)
		}
	}
	if got, want := len(held), len(bad.Survive)+len(bad.Collide)+len(bad.Dispute); got != want {
		t.Errorf("%d versions have acceptable lines, Bad lists %d", got, want)
	}
}

// indexPaths walks the folder the way a reader of indexes has to: over regular
// files whose path is that of a name.
func indexPaths(t *testing.T, dir string) (paths []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(name string, d os.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, name)
		rel = filepath.ToSlash(rel)
		switch {
		case err != nil && rel == "a1/5x": // the folder that cannot be read
			return nil
		case err != nil:
			return err
		case d.Type().IsRegular() && crate.CheckIndexPath(rel):
			paths = append(paths, rel)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return paths
}

func TestBadIndexCoversItsRows(t *testing.T) {
	bad, err := Write(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{"A1", "A2", "A3", "A4", "A5", "A9", "A11", "A12", "A13", "A20"} {
		if !slices.ContainsFunc(bad.Reject, func(l Line) bool { return l.Row == row }) {
			t.Errorf("row %s has no line to refuse", row)
		}
	}
	for _, path := range bad.Ignore {
		if crate.CheckIndexPath(path) && path != "a1/5-/a15-link" && path != "a1/5-/a15-fifo" {
			t.Errorf("%s is the path of an index file", path)
		}
	}
}
