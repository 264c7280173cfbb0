package index

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
)

// bigTree has more than fits into the budget, in files of all sizes around
// that of a chunk, so that chunks are split and readers have to wait.
func bigTree() indextest.Tree {
	tree := indextest.Tree{}
	for i := range 50 {
		name := fmt.Sprintf("crate%03d", i)
		pad := strings.Repeat("x", []int{0, 10, chunkBytes - 200, chunkBytes, 3 * chunkBytes}[i%5])
		tree[pathOf(name)] = strings.Replace(indextest.Line(name, "1.0.0", indextest.Sum("a")), `"deps":[]`, `"deps":["`+pad+`"]`, 1) + "\n"
	}
	return tree
}

func sourcesOf(t *testing.T, tree indextest.Tree) map[string]*Index {
	repo := indextest.CheckoutOf(t, tree)
	empty := t.TempDir()
	indextest.Git(t, repo, "clone", "-q", "--no-checkout", repo, empty)
	return map[string]*Index{
		"folder": openIndex(t, indextest.FolderOf(t, tree), nil), "checkout": openIndex(t, repo, nil),
		"bare": openIndex(t, indextest.BareOf(t, repo), nil), "not checked out": openIndex(t, empty, nil),
	}
}

func TestLargeFilesAreReadWithinTheBudget(t *testing.T) {
	tree := bigTree()
	paths := tree.Paths()
	for name, x := range sourcesOf(t, tree) {
		i := 0
		for c, err := range x.Crates(t.Context(), nil) {
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if c.Path != paths[i] || len(c.Entries) != 1 || string(c.Entries[0].Raw)+"\n" != tree[c.Path] {
				t.Fatalf("%s: crate %d is %s with %d entries, want %s", name, i, c.Path, len(c.Entries), paths[i])
			}
			i++
		}
		if i != len(paths) {
			t.Errorf("%s: %d crates, want %d", name, i, len(paths))
		}
	}
}

// TestLeaving leaves loops early: goleak (TestMain) sees what they leave.
func TestLeaving(t *testing.T) {
	for name, x := range sourcesOf(t, bigTree()) {
		for _, most := range []int{1, chunkFiles, 40} {
			n := 0
			for _, err := range x.Crates(t.Context(), nil) {
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if n++; n == most {
					break
				}
			}
		}
	}
}

func TestContextEnds(t *testing.T) {
	reason := errors.New("enough")
	for name, x := range sourcesOf(t, bigTree()) {
		for _, after := range []int{0, 1, 30} {
			ctx, cancel := context.WithCancelCause(t.Context())
			if after == 0 {
				cancel(reason)
			}
			n, last := 0, error(nil)
			for _, err := range x.Crates(ctx, nil) {
				if last != nil {
					t.Errorf("%s: the loop goes on after an error", name)
				}
				if last = err; err != nil {
					continue
				}
				if n++; n == after {
					cancel(reason)
				}
			}
			if !errors.Is(last, reason) || n > after+chunkFiles {
				t.Errorf("%s, ended after %d: %d crates, then %v", name, after, n, last)
			}
			cancel(nil)
		}
	}
}

// A fixedReader makes every file as long as it says.
type fixedReader int64

func (r fixedReader) read(_ context.Context, _ *Crate, c *chunk, b *budget) error {
	_, err := c.grow(int64(r), b)
	return err
}

func TestFullChunkIsSplit(t *testing.T) {
	c := newChunk()
	for i := range 5 {
		c.crates = append(c.crates, Crate{File: File{Path: fmt.Sprint(i)}})
	}
	var got []string
	for b := newBudget(aheadBytes); c != nil; {
		rest := c.fill(t.Context(), fixedReader(chunkBytes/2), b)
		if rest != c.rest || len(c.ends) != len(c.crates) || c.taken != int64(len(c.content)) {
			t.Fatalf("%d ends, %d crates, %d of %d bytes taken", len(c.ends), len(c.crates), c.taken, len(c.content))
		}
		for _, cr := range c.crates {
			got = append(got, cr.Path)
		}
		got = append(got, "|")
		c = rest
	}
	if s := strings.Join(got, ""); s != "01|23|4|" {
		t.Errorf("got %s", s)
	}
}

func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBudget(10)
		first, second := newChunk(), newChunk()
		if err := b.take(second, 10); err != nil {
			t.Fatal(err)
		}
		took := make(chan error, 1)
		take := func(c *chunk) { go func() { took <- b.take(c, 5) }() }
		expect := func(what string, ready bool) {
			t.Helper()
			synctest.Wait()
			select {
			case err := <-took:
				if !ready || err != nil {
					t.Errorf("%s: taken, %v", what, err)
				}
			default:
				if ready {
					t.Errorf("%s: still waiting", what)
				}
			}
		}
		take(first)
		expect("nothing is free", false)
		b.prefer(first)
		expect("first is next: it overdraws", true)
		take(second)
		expect("five are owed", false)
		b.give(first.taken)
		expect("nothing is free", false)
		b.give(5)
		expect("five are free", true)
		take(second)
		synctest.Wait()
		b.close()
		if err := <-took; !errors.Is(err, context.Canceled) {
			t.Errorf("closed: %v", err)
		}
	})
}

// TestGitDies: a broken repository ends the reading with git's own words.
func TestGitDies(t *testing.T) {
	x := openIndex(t, indextest.BareOf(t, indextest.CheckoutOf(t, smallTree())), nil)
	x.source.(*objectStore).commit = strings.Repeat("1", 40)
	var got error
	for c, err := range x.Crates(t.Context(), nil) {
		if c != nil {
			t.Errorf("got %s", c.Path)
		}
		got = err
	}
	want := "listing commit 1111111111111111111111111111111111111111: git: fatal: not a tree object (exit status 128)"
	if got == nil || got.Error() != want {
		t.Errorf("got %v\nwant %s", got, want)
	}
}

func TestParseTreeLineRejects(t *testing.T) {
	for _, text := range []string{"", "100644", "100644 blob", "100644 blob 12\tse/rd/serde", "100644 blob " + indextest.Sum("g")[:40] + "\tse/rd/serde"} {
		if f, err := parseTreeLine([]byte(text)); err == nil {
			t.Errorf("%q: %v", text, f)
		}
	}
}

// A line of git's listing that is of our business names an index file, or
// something in the place of one, which is not read.
func FuzzTreeLine(f *testing.F) {
	f.Add([]byte("100644 blob " + indextest.Sum("1")[:40] + "\tse/rd/serde"))
	f.Fuzz(func(t *testing.T, line []byte) {
		got, err := parseTreeLine(line)
		if err != nil || got.Path == "" {
			return
		}
		if got.err == nil && !crate.CheckIndexPath(got.Path) || got.err != nil && !crate.CheckIndexPath(got.Path) && !isPrefix(got.Path) {
			t.Errorf("%q is taken for %q, %v", line, got.Path, got.err)
		}
	})
}

// A file with the content known is named, and not parsed; any other is read as ever.
func TestCompare(t *testing.T) {
	dir := indextest.FolderOf(t, smallTree())
	x := openIndex(t, dir, nil)
	known := map[string]Blob{}
	for c, err := range x.Crates(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		known[c.Path] = c.Blob
	}
	const name = "se/rd/serde"
	line := indextest.Line("serde", "3.0.0", indextest.Sum("c")) + "\n"
	if err := os.WriteFile(filepath.Join(dir, name), []byte(line), 0o666); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for c, err := range x.Compare(t.Context(), func(f File) (bool, Blob) { return true, known[f.Path] }) {
		if err != nil || c.Err != nil {
			t.Fatal(err, c.Err)
		}
		seen++
		if c.Path != name && (!c.Same || len(c.Entries) != 0 || c.Blob != known[c.Path]) {
			t.Errorf("%s: same %v, %d entries, want only that it is the same", c.Path, c.Same, len(c.Entries))
		}
		if c.Path == name && (c.Same || len(c.Entries) != 1 || c.Entries[0].ID.Version != "3.0.0") {
			t.Errorf("%s: same %v, entries %v, want the new line", c.Path, c.Same, c.Entries)
		}
	}
	if seen != len(known) || seen == 0 {
		t.Errorf("%d files of %d", seen, len(known))
	}
}
