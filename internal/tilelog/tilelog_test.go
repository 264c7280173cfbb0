package tilelog

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
	"pgregory.net/rapid"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

var t0 = context.Background()

func TestPaths(t *testing.T) {
	for name, want := range map[string]tlog.Tile{
		"tile/0/000":                  {H: 8, L: 0, N: 0, W: 256},
		"tile/0/x001/x234/067":        {H: 8, L: 0, N: 1234067, W: 256},
		"tile/2/000.p/1":              {H: 8, L: 2, N: 0, W: 1},
		"tile/entries/x001/000.p/255": {H: 8, L: -1, N: 1000, W: 255},
	} {
		if got := Path(want); got != name {
			t.Errorf("Path(%v) = %s, want %s", want, got, name)
		}
		if got, err := ParsePath(name); err != nil || got != want {
			t.Errorf("ParsePath(%s) = %v, %v", name, got, err)
		}
	}
	for _, name := range []string{
		"", "tile", "tile/0", "tile/0/", "tile/0/0", "tile/00/000", "tile/-1/000", "tile/+1/000", "tile/0/1000", "tile/0/x000/001",
		"tile/0/001/002", "tile/0/x001", "tile/0/000.p/0", "tile/0/000.p/256", "tile/0/000.p/01", "tile/0/000.p/", "tile/0/../000",
		"tile/Entries/000", "tile/data/000", "checkpoint", "tile/0/000/", "/tile/0/000", "tile/0/000.p/1/2", "tile/0/-01",
		"tile/0/x999/x999/x999/x999/x999/x999/x999/x999/x999/x999/999",
		"tile/1152921504606846976/000", // eight times that is negative
		"tile/8/000", "tile/0/x002/x147/x483/649",
	} {
		if got, err := ParsePath(name); err == nil {
			t.Errorf("ParsePath(%q) = %v, want an error", name, got)
		}
	}
}

// The example of the specification: which tiles a tree of 70,000 leaves has.
func TestTilesOf70000(t *testing.T) {
	durabletest.Seldom(t, 2)
	mem := durabletest.NewMem()
	if err := errors.Join(appendTo(mem, 70000, 1), check(mem)); err != nil {
		t.Fatal(err)
	}
	got := files(mem, "tile")
	var want []string
	for n := range int64(273) {
		want = append(want, Path(tlog.Tile{L: 0, N: n, W: 256}), Path(tlog.Tile{L: -1, N: n, W: 256}))
	}
	want = append(want, "tile/0/273.p/112", "tile/entries/273.p/112", "tile/1/000", "tile/1/001.p/17", "tile/2/000.p/1")
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("%d files, want %d", len(got), len(want))
	}
}

// However leaves come, the tree is that of sumdb over the same lines, all proofs can
// be made, and the tiles are those of a log that was made at once.
func TestTreeIsThatOfSumdb(t *testing.T) {
	durabletest.Seldom(t, 2)
	rapid.Check(t, func(t *rapid.T) {
		steps := rapid.SliceOfN(rapid.SampledFrom([]int64{0, 1, 2, 100, 255, 256, 257, 300}), 1, 6).Draw(t, "steps")
		mem := &durabletest.Mem{}
		*mem = *durabletest.NewMem() //nolint:govet // nothing has used it
		mem.NoSyncAll = rapid.Bool().Draw(t, "noSyncAll")
		size := int64(1)
		for day, n := range append([]int64{0}, steps...) {
			size += n
			if err := errors.Join(appendTo(mem, size, day), check(mem)); err != nil {
				t.Fatalf("at %d leaves: %v", size, err)
			}
		}
		l, err := Open(mem)
		if err != nil || l.Tree != oracle(size) {
			t.Fatalf("%d leaves: %v, %v, want %v", size, l.Tree, err, oracle(size))
		}
		once := durabletest.NewMem()
		if err := appendTo(once, size, 1); err != nil {
			t.Fatal(err)
		}
		for _, name := range files(once, "tile") {
			if !slices.Contains(files(mem, "tile"), name) {
				t.Errorf("%s is missing", name)
			}
		}
		for _, name := range files(mem, "tile") {
			if tile, err := ParsePath(name); err != nil || tile.W > tileAt(tile.L, tile.N, size).W || tile.W < width && tileAt(tile.L, tile.N, size).W == width {
				t.Errorf("%s (%v) in a log of %d leaves", name, err, size)
			}
		}
	})
}

// oracle is the tree as package tlog builds it.
func oracle(size int64) tlog.Tree {
	var stored []tlog.Hash
	read := tlog.HashReaderFunc(func(indexes []int64) (list []tlog.Hash, err error) {
		for _, i := range indexes {
			list = append(list, stored[i])
		}
		return list, nil
	})
	for n := range size {
		key := keyOf(n)
		more, err := tlog.StoredHashes(n, []byte(key.Name+" "+key.Version+" "+key.Checksum.String()+"\n"), read)
		if err != nil {
			panic(err)
		}
		stored = append(stored, more...)
	}
	h, err := tlog.TreeHash(size, read)
	if err != nil {
		panic(err)
	}
	return tlog.Tree{N: size, Hash: h}
}

// Every single byte of every tile counts: proving, reading and appending report that the
// log is damaged, or are right without that byte.
func TestEveryByteOfTilesCounts(t *testing.T) {
	mem := durabletest.NewMem()
	if err := errors.Join(appendTo(mem, 259, 1), check(mem)); err != nil {
		t.Fatal(err)
	}
	for _, name := range files(mem, "tile") {
		data := content(t, mem, name)
		first, step := durabletest.Every(37, nil)
		for i := first; i < len(data); i += step {
			bad := mem.Kill()
			flip(t, bad, name, data, i)
			err := check(bad)
			for n := int64(0); err == nil && n < 259; n++ {
				_, err = proofOf(bad, n)
			}
			if !errors.Is(err, ErrDamaged) {
				t.Errorf("byte %d of %s may change: %v", i, name, err)
			}
			if err := appendTo(bad, 260, 2); err == nil && strings.Contains(name, ".p/") {
				t.Errorf("byte %d of %s may change, and more is appended", i, name)
			}
		}
	}
}

func proofOf(fsys *durabletest.Mem, n int64) (tlog.RecordProof, error) {
	l, err := Open(fsys)
	if err != nil {
		return nil, err
	}
	return tlog.ProveRecord(l.N, n, l.Hashes())
}

// flip changes a bit of a byte of a file.
func flip(t *testing.T, fsys *durabletest.Mem, name string, data []byte, i int) {
	t.Helper()
	bad := slices.Clone(data)
	bad[i] ^= 1 << (i % 8)
	f, err := fsys.Create("bad")
	if err == nil {
		_, err = f.Write(bad)
	}
	if err = errors.Join(err, fsys.Remove(name), fsys.Replace("bad", name)); err != nil {
		t.Fatal(err)
	}
}

// An Appender is told how many come, and holds to it; a checkpoint of another tree
// is not published.
func TestAppenderHoldsToWhatIsSaid(t *testing.T) {
	mem := durabletest.NewMem()
	a, err := Begin(mem, 2)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Add(keyOf(0)); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Finish(); fmt.Sprint(err) != "appending: 1 leaves were added, 2 announced" {
		t.Errorf("Finish too early: %v", err)
	}
	if err := a.Add(keyOf(1)); err != nil {
		t.Fatal(err)
	}
	if err := a.Add(keyOf(2)); fmt.Sprint(err) != "appending: more than the 2 leaves that were announced" {
		t.Errorf("a third leaf: %v", err)
	}
	if _, err := a.Finish(); err != nil {
		t.Fatal(err)
	}
	other, err := sign(oracle(3), 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Publish(other); fmt.Sprint(err) != "publishing a checkpoint about 3 leaves: the log has 2, or another root" {
		t.Errorf("a checkpoint of another tree: %v", err)
	}
	if got := sizeOf(mem); got != 0 {
		t.Errorf("%d leaves are published", got)
	}
}
