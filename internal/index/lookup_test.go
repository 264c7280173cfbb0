package index

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
)

// TestLookup asks for single crates, in each form of the index and many at a
// time.
func TestLookup(t *testing.T) {
	tree := smallTree()
	repo := indextest.CheckoutOf(t, tree)
	for form, dir := range map[string]string{"folder": indextest.FolderOf(t, tree), "checkout": repo, "bare": indextest.BareOf(t, repo)} {
		x := openIndex(t, dir, nil)
		l := x.NewLookup(t.Context())
		var wg sync.WaitGroup
		for _, name := range []string{"a", "1-", "abc", "serde", "SerDe", "serde_json", "1-bc"} {
			wg.Go(func() {
				cr, err := l.Crate(t.Context(), name)
				if err != nil {
					t.Errorf("%s: %s: %v", form, name, err)
					return
				}
				if len(cr.Entries) != 2 || cr.Entries[1].Version != "2.0.0+x" || string(cr.Entries[0].Raw) != indextest.Line(strings.ToLower(name), "1.0.0", indextest.Sum("a")) {
					t.Errorf("%s: %s: %+v", form, name, cr)
				}
				if cr.Blob == (Blob{}) || cr.Path != pathOf(strings.ToLower(name)) {
					t.Errorf("%s: %s: path %s, blob %s", form, name, cr.Path, cr.Blob)
				}
			})
		}
		wg.Wait()
		for _, name := range []string{"absent", "..", "a/b", "x\nHEAD:1/a", "", "config.json"} {
			if cr, err := l.Crate(t.Context(), name); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %q: %+v, %v", form, name, cr, err)
			}
		}
		if err := l.Close(); err != nil {
			t.Errorf("%s: %v", form, err)
		}
	}
}

// TestLookupReadsTheCommit: a working tree that is ahead does not count, and a
// file that is none is that crate's fault.
func TestLookupReadsTheCommit(t *testing.T) {
	repo := indextest.CheckoutOf(t, indextest.Tree{"se/rd/serde": indextest.Line("serde", "1.0.0", indextest.Sum("a")) + "\n", "3/f/foo/bar": "x"})
	if err := os.WriteFile(filepath.Join(repo, "se", "rd", "serde"), []byte("torn"), 0o644); err != nil {
		t.Fatal(err)
	}
	l := openIndex(t, repo, nil).NewLookup(t.Context())
	defer l.Close()
	if cr, err := l.Crate(t.Context(), "foo"); err != nil || !errors.Is(cr.Err, errNotRegular) {
		t.Errorf("a folder: %+v, %v", cr, err)
	}
	cr, err := l.Crate(t.Context(), "serde")
	if err != nil || len(cr.Entries) != 1 || len(cr.Bad) != 0 {
		t.Errorf("after it: %+v, %v", cr, err)
	}
}

// TestLookupStartsAnotherGit: one that died costs one answer.
func TestLookupStartsAnotherGit(t *testing.T) {
	l := openIndex(t, indextest.BareOf(t, indextest.CheckoutOf(t, smallTree())), nil).NewLookup(t.Context())
	defer l.Close()
	ask := func() error { _, err := l.Crate(t.Context(), "serde"); return err }
	for range 2 * cap(l.free) { // all of them run now
		if err := ask(); err != nil {
			t.Fatal(err)
		}
	}
	for range cap(l.free) {
		r := <-l.free
		if g, ok := r.(*gitLookup); ok {
			if err := g.Close(); err != nil {
				t.Fatal(err)
			}
		}
		l.free <- r
	}
	var failed int
	for range 2 * cap(l.free) {
		if ask() != nil {
			failed++
		}
	}
	if diff := cmp.Diff(cap(l.free), failed); diff != "" {
		t.Errorf("answers lost: -want +got\n%s", diff)
	}
}

// TestLookupAt: one git reads any commit, and finds it by the beginning of its id;
// what is no commit, or not one, is not there, and costs no git.
func TestLookupAt(t *testing.T) {
	repo := indextest.CheckoutOf(t, smallTree())
	first := indextest.Git(t, repo, "rev-parse", "HEAD")
	(indextest.Tree{"3/a/abc": indextest.Line("abc", "3.0.0", indextest.Sum("c")) + "\n"}).Write(t, repo)
	indextest.Git(t, repo, "commit", "-q", "-a", "-m", "second")
	indextest.Git(t, repo, "tag", "-a", "-m", "a tag", "t")
	indextest.Git(t, repo, "branch", "abcdef1")
	dateless := filepath.Join(t.TempDir(), "commit")
	indextest.WriteFile(t, dateless, fmt.Sprintf("tree %s\nauthor a <a> 1 +0000\n\ncommitter a <a> 1 +0000\n", indextest.Git(t, repo, "rev-parse", "HEAD^{tree}")))
	odd := indextest.Git(t, repo, "hash-object", "-t", "commit", "-w", "--literally", dateless)
	for form, dir := range map[string]string{"checkout": repo, "bare": repo + "/.git"} {
		l := openIndex(t, dir, nil).NewLookup(t.Context())
		l.free = make(chan lookupReader, 1)
		l.free <- nil
		var one lookupReader
		for range 2 {
			for commit, want := range map[string]string{first: "2.0.0+x", indextest.Git(t, repo, "rev-parse", "HEAD"): "3.0.0"} {
				rev, err := l.Commit(t.Context(), commit[:8])
				if err != nil || rev.Commit != commit || rev.Time.Unix() != 1_700_000_000 {
					t.Errorf("%s: %s: %+v, %v", form, commit, rev, err)
				}
				cr, err := l.CrateAt(t.Context(), commit, "ABC")
				if err != nil || cr.Entries[len(cr.Entries)-1].Version != want {
					t.Errorf("%s: abc at %s: %+v, %v, want %s", form, commit, cr, err, want)
				}
			}
			for _, id := range []string{strings.Repeat("0", 40), indextest.Git(t, repo, "rev-parse", "t"), indextest.Git(t, repo, "rev-parse", "HEAD^{tree}"), "abcdef1", "master", first[:6]} {
				if rev, err := l.Commit(t.Context(), id); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s: %s: %+v, %v", form, id, rev, err)
				}
			}
			if rev, err := l.Commit(t.Context(), odd); err == nil || !strings.Contains(err.Error(), "no date") {
				t.Errorf("%s: without a date: %+v, %v", form, rev, err)
			}
			if _, err := l.CrateAt(t.Context(), odd, "absent"); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: absent: %v", form, err)
			}
			r := <-l.free
			if one != nil && one != r {
				t.Errorf("%s: another git was started", form)
			}
			one = r
			l.free <- r
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	plain := openIndex(t, indextest.FolderOf(t, smallTree()), nil).NewLookup(t.Context())
	if _, err := plain.Commit(t.Context(), first); !errors.Is(err, ErrNoPast) {
		t.Errorf("a plain folder: %v", err)
	}
}

// TestLookupOfAPrunedCommit: that its commit is gone is no answer about a crate.
func TestLookupOfAPrunedCommit(t *testing.T) {
	bare := indextest.BareOf(t, indextest.CheckoutOf(t, smallTree()))
	x := openIndex(t, bare, nil)
	if err := os.RemoveAll(filepath.Join(bare, "objects")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(bare, "objects"), 0o755); err != nil {
		t.Fatal(err)
	}
	l := x.NewLookup(t.Context())
	if _, err := l.Crate(t.Context(), "serde"); err == nil || errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), x.Commit()) {
		t.Errorf("got %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
}
