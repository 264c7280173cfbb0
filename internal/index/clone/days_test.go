package clone

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// A chronicle is what upstream's index was, by the day: the last commit and what
// it said of one crate.
type chronicle struct {
	*upstream
	commits, files map[string]string
	version        int
}

// publish commits one more version of foo, or squashes it, and takes notes.
func (c *chronicle) publish(commit func() string) string {
	c.T.Helper()
	c.version++
	c.Reg.Add(simreg.MustParse(fmt.Sprintf("foo 1.0.%d", c.version))...)
	return c.note(commit())
}

func (c *chronicle) note(id string) string {
	c.T.Helper()
	date := c.day(id)
	c.commits[date] = id
	c.files[date] = indextest.Git(c.T, c.Git, "show", id+":3/f/foo")
	return id
}

func (c *chronicle) day(commit string) string {
	var unix int64
	if _, err := fmt.Sscan(indextest.Git(c.T, c.Git, "show", "-s", "--format=%ct", commit), &unix); err != nil {
		c.T.Fatal(err)
	}
	return time.Unix(unix, 0).UTC().Format(time.DateOnly)
}

// TestDays: each day of upstream's since the clone began is kept, whenever we ran,
// whatever upstream did with its history, and whatever git removes.
func TestDays(t *testing.T) {
	for _, kind := range someKinds(1) {
		t.Run(kind, func(t *testing.T) {
			c := &chronicle{newUpstream(t, "foo 1.0.0\nbar 1.0.0"), map[string]string{}, map[string]string{}, 0}
			c.note(indextest.Git(t, c.Git, "rev-parse", "master"))
			begin := func() {
				kinds[kind](t, c.upstream)
				if !strings.Contains(kind, "with its history") {
					first := indextest.Git(t, c.dir, "rev-parse", "HEAD") // what was before is unknown
					c.commits, c.files = map[string]string{}, map[string]string{}
					c.note(first)
				}
			}
			for day := range 12 {
				c.Reg.Date(time.Date(2026, 1, 2+day, 12, 0, 0, 0, time.UTC))
				if day != 5 { // nothing is published
					c.publish(c.Commit)
					c.publish(c.Commit)
				}
				switch day {
				case 2:
					begin()
				case 4, 6, 10:
					continue // we do not run
				case 7: // squashed, on a day that has commits before and after
					c.mustUpdate(nil)
					c.publish(c.Squash)
					c.publish(c.Commit)
				case 8: // a forced update to another history
					c.mustUpdate(nil)
					indextest.Git(t, c.Git, "update-ref", "refs/heads/master", "master~1")
					c.publish(c.Commit)
				}
				if day >= 2 {
					c.mustUpdate(nil)
				}
			}
			gitDir := c.dir
			if _, err := os.Stat(filepath.Join(c.dir, ".git")); err == nil {
				gitDir = filepath.Join(c.dir, ".git")
			}
			indextest.Git(t, gitDir, "reflog", "expire", "--expire=now", "--all")
			indextest.Git(t, gitDir, "gc", "--quiet", "--prune=now")
			kept, err := openIndex(t, c.dir).Days(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			got := map[string]string{}
			for _, d := range kept {
				got[d.Date] = d.Commit
				if d.Date != d.Time.UTC().Format(time.DateOnly) {
					t.Errorf("%s is of %v", d.Date, d.Time)
				}
				if file := indextest.Git(t, gitDir, "show", d.Commit+":3/f/foo"); file != c.files[d.Date] {
					t.Errorf("%s: foo is %q, want %q", d.Date, file, c.files[d.Date])
				}
			}
			if diff := cmp.Diff(c.commits, got); diff != "" {
				t.Errorf("days (-upstream +kept):\n%s", diff)
			}
			if !slices.IsSortedFunc(kept, func(a, b index.Day) int { return a.Time.Compare(b.Time) }) {
				t.Errorf("not in order: %v", kept)
			}

			// Thinned out, once that is asked for.
			c.mustUpdate(func(cfg *Config) { cfg.KeepDays = 2 })
			kept, err = openIndex(t, c.dir).Days(t.Context())
			if err != nil || len(kept) != 2 {
				t.Errorf("kept %v, %v; want 2 days", kept, err)
			}
		})
	}
}

func TestThinOut(t *testing.T) {
	all := "2024-12-30 2024-12-31 2025-01-01 2025-01-15 2025-01-30 2025-02-01 2025-02-02 2025-02-03"
	for n, want := range map[int]string{
		0:    all,
		1:    "2024-12-31 2025-01-30 2025-02-03",
		2:    "2024-12-31 2025-01-30 2025-02-02 2025-02-03",
		5:    "2024-12-31 2025-01-30 2025-02-01 2025-02-02 2025-02-03",
		20:   "2024-12-31 2025-01-15 2025-01-30 2025-02-01 2025-02-02 2025-02-03",
		3650: all,
	} {
		keep := map[string]git.Revision{}
		for date := range strings.FieldsSeq(all) {
			keep[date] = git.Revision{Commit: date}
		}
		const future = "2099-06-01" // a commit may say so; it costs no day of the past
		now := time.Date(2025, 2, 3, 12, 0, 0, 0, time.UTC)
		for _, also := range []string{"", " " + future} {
			kept := maps.Clone(keep)
			if also != "" {
				kept[future] = git.Revision{Commit: future}
			}
			thinOut(kept, n, now)
			if got := strings.Join(slices.Sorted(maps.Keys(kept)), " "); got != want+also {
				t.Errorf("the last %d days: %s, want %s", n, got, want+also)
			}
		}
	}
}

// Commits may say that they are of any time. Days are those of a calendar, and a
// project whose owner gave it away has none of the index.
func TestDaysOfAnyTime(t *testing.T) {
	u := newUpstream(t, "foo 1.0.0")
	project(t, u.dir, indextest.Tree{"main.rs": "fn main() {}"})
	indextest.Git(t, u.dir, "branch", "mine")
	indextest.Git(t, u.dir, "config", mark, "true")
	for _, unix := range []string{"-86400", "4102444800", "99999999999"} {
		object := filepath.Join(t.TempDir(), "commit")
		indextest.WriteFile(t, object, fmt.Sprintf("tree %s\nparent %s\nauthor a <a> %s +0000\ncommitter a <a> %s +0000\n\nodd\n",
			indextest.Git(t, u.Git, "rev-parse", "master^{tree}"), indextest.Git(t, u.Git, "rev-parse", "master"), unix, unix))
		indextest.Git(t, u.Git, "update-ref", "refs/heads/master", indextest.Git(t, u.Git, "hash-object", "-t", "commit", "-w", "--literally", object))
	}
	u.mustUpdate(nil)
	if kept, err := openIndex(t, u.dir).Days(t.Context()); err != nil || len(kept) != 1 || kept[0].Date != "2026-01-01" {
		t.Errorf("kept %v, %v", kept, err)
	}
	if kept, err := openIndex(t, indextest.FolderOf(t, indextest.Tree{})).Days(t.Context()); err != nil || kept != nil {
		t.Errorf("a plain folder keeps %v, %v", kept, err)
	}
}

// TestAt: a day leads to what the index was at its end, whether it was kept or an
// earlier one was, a commit to itself; and what is read there is what git shows.
func TestAt(t *testing.T) {
	for _, kind := range someKinds(1) {
		t.Run(kind, func(t *testing.T) {
			c := &chronicle{newUpstream(t, "foo 1.0.0\nbar 1.0.0"), map[string]string{}, map[string]string{}, 0}
			kinds[kind](t, c.upstream)
			for _, day := range []int{2, 3, 6} {
				c.Reg.Date(time.Date(2026, 1, day, 12, 0, 0, 0, time.UTC))
				c.publish(c.Commit)
				c.publish(c.Commit)
				c.mustUpdate(nil)
			}
			x := openIndex(t, c.dir)
			for point, day := range map[string]string{
				"2026-01-02": "2026-01-02", "2026-01-03": "2026-01-03", "2026-01-05": "2026-01-03",
				"2026-01-06": "2026-01-06", "2030-01-01": "2026-01-06",
				c.commits["2026-01-03"]: "2026-01-03", c.commits["2026-01-02"][:7]: "2026-01-02",
			} {
				rev, err := x.At(t.Context(), point)
				if err != nil || rev.Commit != c.commits[day] || rev.Time.UTC().Format(time.DateOnly) != day {
					t.Errorf("%s: %v, %v, want commit %s", point, rev, err, c.commits[day])
					continue
				}
				past := x.Snapshot(rev)
				lookup := past.NewLookup(t.Context())
				foo, err := lookup.Crate(t.Context(), "foo")
				if err := errors.Join(err, lookup.Close()); err != nil {
					t.Fatal(err)
				}
				var lines []string
				for _, e := range foo.Entries {
					lines = append(lines, string(e.Raw))
				}
				if got := strings.Join(lines, "\n"); got != strings.TrimSpace(c.files[day]) || past.Commit() != c.commits[day] {
					t.Errorf("%s: foo is\n%s\nwant\n%s", point, got, c.files[day])
				}
			}
			indextest.Git(t, c.dir, "tag", "-a", "-m", "a tag", "v1")
			for _, point := range []string{indextest.Git(t, c.dir, "rev-parse", "v1"), indextest.Git(t, c.dir, "rev-parse", "HEAD^{tree}"), "2001-01-01", "0123456789abcdef", "2026-1-2", "HEAD", "--all", "master", "", "2026-13-01"} {
				if rev, err := x.At(t.Context(), point); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%q: %v, %v", point, rev, err)
				}
			}
		})
	}
	plain := openIndex(t, indextest.FolderOf(t, indextest.Tree{"3/f/foo": "x"}))
	if rev, err := plain.At(t.Context(), "2026-01-01"); !errors.Is(err, index.ErrNoPast) {
		t.Errorf("a plain folder has a past: %v, %v", rev, err)
	}
}
