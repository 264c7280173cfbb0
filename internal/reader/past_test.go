package reader

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// history is a world whose mirror follows an upstream index by the day.
type history struct {
	*world
	upstream string
	commits  map[string]string // the last one of each day
}

func newHistory(t *testing.T, text string) *history {
	indextest.NeedGit(t)
	h := &history{world: newWorld(t, text), commits: map[string]string{}}
	h.upstream = h.index
	h.index = filepath.Join(h.dir, "followed.git")
	return h
}

// publish commits what the registry has on a day of January 2026, and the mirror's
// index follows.
func (h *history) publish(day int) {
	h.t.Helper()
	date := time.Date(2026, 1, day, 12, 0, 0, 0, time.UTC)
	h.reg.Date(date)
	commit, err := h.reg.CommitIndex(h.t.Context(), h.upstream, "Update")
	if err == nil {
		_, err = clone.Update(h.t.Context(), clone.Config{Dir: h.index, URL: h.upstream, AcceptShrink: true})
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.commits[date.Format(time.DateOnly)] = commit
}

// shownAt describes what is shown of serde at a point in the past.
func shownAt(t *testing.T, v *View, point string) string {
	t.Helper()
	past, err := v.At(t.Context(), point)
	if err != nil {
		t.Fatal(err)
	}
	c, err := v.CrateAt(t.Context(), past.Commit, "serde")
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, e := range c.Entries {
		fmt.Fprintf(&text, "%s %.4s", e.Version, e.Checksum)
		if e.Yanked {
			text.WriteString(" yanked")
		}
		text.WriteString(", ")
	}
	fmt.Fprintf(&text, "%d left", c.Left)
	return text.String()
}

// TestPast: each day shows the lines, the yanks and the bytes of then, as far as
// they are held, whatever has become of them since.
func TestPast(t *testing.T) {
	h := newHistory(t, "serde 1.0.0\nserde 1.1.0")
	yanked, gone := crate.ID{Name: "serde", Version: "1.1.0"}, crate.ID{Name: "serde", Version: "1.2.0"}
	accept := how{change: func(c *mirror.Config) { c.AcceptRepublished = plan.AcceptAlways }}
	h.publish(1)
	h.run(accept)
	before := h.key(serde100)
	was, err := h.reg.CrateBytes(serde100)
	if err != nil {
		t.Fatal(err)
	}
	h.reg.Yank(yanked, true)
	h.reg.Add(simreg.MustParse("serde 1.2.0")...)
	h.publish(3)
	h.run(accept)
	two := h.key(gone).Checksum
	h.reg.ReplaceBytes(serde100)
	h.reg.Remove(gone)
	h.publish(4)
	h.run(accept)
	h.reg.Add(simreg.MustParse("serde 1.3.0")...)
	h.publish(6) // is not fetched

	v := h.view(nil)
	one := h.key(yanked).Checksum
	first := fmt.Sprintf("1.0.0 %.4s, 1.1.0 %.4s, 0 left", before.Checksum, one)
	third := fmt.Sprintf("1.0.0 %.4s, 1.1.0 %.4s yanked, 1.2.0 %.4s, 0 left", before.Checksum, one, two)
	fourth := fmt.Sprintf("1.0.0 %.4s, 1.1.0 %.4s yanked, 0 left", h.key(serde100).Checksum, one)
	sixth := strings.Replace(fourth, "0 left", "1 left", 1)
	for point, want := range map[string]string{
		"2026-01-01": first, "2026-01-02": first, "2026-01-03": third, "2026-01-04": fourth, "2026-01-05": fourth,
		"2026-01-06": sixth, "2026-02-01": sixth, h.commits["2026-01-03"]: third, h.commits["2026-01-01"][:9]: first,
	} {
		if got := shownAt(t, v, point); got != want {
			t.Errorf("%s: %s, want %s", point, got, want)
		}
	}
	f, err := v.OpenBytes(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got, err := io.ReadAll(f); err != nil || !bytes.Equal(got, was) {
		t.Errorf("%d bytes of before, %v", len(got), err)
	}
	days, err := v.Days(t.Context())
	if err != nil || len(days) != 4 || days[1].Date != "2026-01-03" || days[1].Commit != h.commits["2026-01-03"] {
		t.Errorf("days %v, %v", days, err)
	}
}

// TestAt: what is final leads to the same commit for all time; hostile points lead
// nowhere.
func TestAt(t *testing.T) {
	h := newHistory(t, small4)
	h.publish(1)
	h.publish(2)
	h.run(how{})
	git := func(args ...string) string {
		t.Helper()
		out, err := exec.Command("git", append([]string{"--git-dir=" + h.index, "-c", "user.name=t", "-c", "user.email=t@example.com"}, args...)...).Output()
		if err != nil {
			t.Fatalf("git %v: %v", args, err)
		}
		return strings.TrimSpace(string(out))
	}
	git("tag", "-a", "-m", "a tag", "v1")
	git("branch", "deadbeef")
	first := h.commits["2026-01-01"]
	v := h.view(nil)
	for point, final := range map[string]bool{"2026-01-01": true, "2026-01-02": false, "2026-01-03": false, first: true, first[:12]: false} {
		if past, err := v.At(t.Context(), point); err != nil || past.Final != final || past.Commit == "" || past.Time.IsZero() {
			t.Errorf("%s: %+v, %v, want final: %t", point, past, err, final)
		}
	}
	for _, point := range []string{
		"2025-12-31", "2026-1-1", "", "HEAD", "master", "v1", "deadbeef", "--all", first[:6], first + "0", strings.ToUpper(first), first + "\n",
		strings.Repeat("0", 40), git("rev-parse", "v1"), git("rev-parse", "HEAD^{tree}"), git("rev-parse", "HEAD:config.json"),
	} {
		if past, err := v.At(t.Context(), point); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %+v, %v", point, past, err)
		}
	}
	w := newWorld(t, small4)
	if err := os.RemoveAll(w.index); err != nil {
		t.Fatal(err)
	}
	if err := w.reg.WriteIndex(w.index); err != nil {
		t.Fatal(err)
	}
	if past, err := w.view(nil).At(t.Context(), "2026-01-01"); !errors.Is(err, index.ErrNoPast) {
		t.Errorf("a plain folder: %+v, %v", past, err)
	}
}

// TestH20ManyCommits: requests for one commit after the other, as many at a time as
// possible, start no more processes than there are gits, and do not delay readers of the
// current index.
func TestH20ManyCommits(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the git that counts itself is a shell script")
	}
	w := newWorld(t, small4)
	w.run(how{})
	var ids []string
	for i := range 12 {
		w.reg.Add(simreg.Version{Name: "serde", Version: fmt.Sprintf("2.%d.0", i)})
		ids = append(ids, w.commitIndex())
	}
	started := countGits(t)
	v := w.view(nil)
	before := started()
	var askers sync.WaitGroup
	for n := range 32 {
		askers.Go(func() {
			for i := range 2 * len(ids) {
				past, err := v.At(t.Context(), ids[(n+i)%len(ids)][:7+i])
				if err != nil {
					t.Error(err)
					return
				}
				if c, err := v.CrateAt(t.Context(), past.Commit, "serde"); err != nil || len(c.Entries) != 2 || c.Left == 0 {
					t.Errorf("%s: %+v, %v", past.Commit, c, err)
				}
				if _, err := v.At(t.Context(), fmt.Sprintf("%040x", 1000*n+i)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("no commit: %v", err)
				}
			}
		})
	}
	askers.Wait()
	if n, most := started()-before, v.index.now.lookup.Readers()+1; n > most { // 1: the days
		t.Errorf("%d gits were started, want at most %d", n, most)
	}

	for range cap(v.past.slots) {
		v.past.slots <- struct{}{}
	}
	if got := shown(t, v, "serde"); len(got) != 2 {
		t.Errorf("while the past is busy serde is shown as %q", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := v.CrateAt(ctx, ids[0], "serde"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("more of the past is read than has slots: %v", err)
	}
}

// countGits puts a git into the path that takes notes of its starts.
func countGits(t *testing.T) (started func() int) {
	t.Helper()
	git, err := exec.LookPath("git")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	notes := filepath.Join(dir, "notes")
	script := fmt.Sprintf("#!/bin/sh\necho started >>%s\nexec %s \"$@\"\n", notes, git)
	if err := os.WriteFile(filepath.Join(dir, "git"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return func() int {
		text, err := os.ReadFile(notes)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(text), "\n")
	}
}

// What is remembered of ids is bounded.
func TestPointsAreBounded(t *testing.T) {
	h := newHistory(t, small4)
	h.publish(1)
	h.run(how{})
	v := h.view(nil)
	if _, err := v.Days(t.Context()); err != nil {
		t.Fatal(err)
	}
	known := v.past.now.Load()
	for i := range maxPoints {
		known.commits[fmt.Sprint(i)] = index.Revision{}
	}
	id := h.commits["2026-01-01"]
	past, err := v.At(t.Context(), id)
	if diff := cmp.Diff(map[string]index.Revision{id: past.Revision}, known.commits); diff != "" || err != nil {
		t.Errorf("%v, -want +got:\n%s", err, diff)
	}
}
