package clone

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// TestUpdateFollows goes with each kind of index through what upstream does.
func TestUpdateFollows(t *testing.T) {
	for _, name := range someKinds(2) {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, "foo 1.0.0\nbar 1.0.0\nserde 1.0.0")
			kinds[name](t, u)
			u.wantSame()
			if up := u.mustUpdate(nil); up.Changed() || up.Before.Commit == "" {
				t.Errorf("an update with nothing new: %+v", up)
			}
			steps := []struct {
				name   string
				change func() string
			}{
				{"a version more", func() string { u.Reg.Add(simreg.Version{Name: "foo", Version: "1.1.0"}); return u.Commit() }},
				{"yanked", func() string { u.Reg.Yank(crate.ID{Name: "bar", Version: "1.0.0"}, true); return u.Commit() }},
				{"squashed as it was", u.Squash},
				{"rewritten and squashed", func() string {
					u.Reg.ReplaceBytes(crate.ID{Name: "bar", Version: "1.0.0"})
					return u.Squash()
				}},
				{"a version less", func() string { u.Reg.Remove(crate.ID{Name: "foo", Version: "1.0.0"}); return u.Commit() }},
			}
			for _, step := range steps {
				want := step.change()
				if up := u.mustUpdate(nil); !up.Changed() || up.After.Commit != want {
					t.Errorf("%s: %+v, want %s", step.name, up, want)
				}
				if x := openIndex(t, u.dir); x.Commit() != want {
					t.Errorf("%s: the index is at %s, want %s", step.name, x.Commit(), want)
				}
				u.wantSame()
			}
		})
	}
}

// TestUpdateKeepsWhatItFinds: a full history stays one, a shallow one grows from
// where it began.
func TestUpdateKeepsWhatItFinds(t *testing.T) {
	for name, commits := range map[string]string{"bare": "2", "v1.1.0's checkout with its history": "3"} {
		t.Run(name, func(t *testing.T) {
			u := newUpstream(t, "foo 1.0.0")
			u.Commit()
			kinds[name](t, u)
			u.Commit()
			u.mustUpdate(nil)
			if got := indextest.Git(t, u.dir, "rev-list", "--count", "HEAD"); got != commits {
				t.Errorf("%s commits are there, want %s", got, commits)
			}
		})
	}
}

// TestA17UpdateIsExamined: what is not what comes after what we have does not
// become the index, which is served meanwhile.
func TestA17UpdateIsExamined(t *testing.T) {
	var many strings.Builder
	for i := range 40 {
		fmt.Fprintf(&many, "crate%d 1.0.0\n", i)
	}
	remove := func(u *upstream, n int) {
		for i := range n {
			u.Reg.Remove(crate.ID{Name: fmt.Sprintf("crate%d", i), Version: "1.0.0"})
		}
		u.Commit()
	}
	for name, test := range map[string]struct {
		change func(u *upstream, first string)
		want   string // in the error; empty: none
	}{
		"2 of 40 gone": {func(u *upstream, _ string) { remove(u, 2) }, ""},
		"3 of 40 gone": {func(u *upstream, _ string) { remove(u, 3) }, "3 of the 40 crates of the index are gone upstream, more than 5 %: nothing was changed; ask upstream, or accept it with -accept-shrink"},
		"all gone":     {func(u *upstream, _ string) { remove(u, 40) }, "there is no crate in the index"},
		"A18 an older commit": {func(u *upstream, first string) { indextest.Git(u.T, u.Git, "update-ref", "refs/heads/master", first) },
			"upstream went back in time: it has commit "},
	} {
		for _, kind := range []string{"bare", "checkout"} {
			if kind == "checkout" && name != "3 of 40 gone" {
				continue // what is examined is the same
			}
			t.Run(name+", "+kind, func(t *testing.T) {
				u := newUpstream(t, many.String())
				first := indextest.Git(t, u.Git, "rev-parse", "master")
				u.Commit()
				kinds[kind](t, u)
				before := readIndex(t, openIndex(t, u.dir))
				test.change(u, first)
				for range 2 { // it stays refused
					up, err := u.update(nil)
					if test.want == "" {
						if err != nil {
							t.Fatal(err)
						}
						u.wantSame()
						return
					}
					if err == nil || !strings.Contains(err.Error(), test.want) || up.Changed() {
						t.Fatalf("%+v, error %v, want %q", up, err, test.want)
					}
					if diff := cmp.Diff(before, readIndex(t, openIndex(t, u.dir))); diff != "" {
						t.Fatalf("the index moved (-before +after):\n%s", diff)
					}
				}
				u.mustUpdate(func(cfg *Config) { cfg.AcceptShrink = true })
				want := indextest.Git(t, u.Git, "rev-parse", "master")
				if x := openIndex(t, u.dir); x.Commit() != want {
					t.Errorf("accepted, it is at %s, want %s", x.Commit(), want)
				}
			})
		}
	}
}

// TestSquashIsCheap: of a squashed index with the same content, next to nothing
// is transferred.
func TestSquashIsCheap(t *testing.T) {
	for _, kind := range durabletest.Sample(1, []string{"bare", "v1.1.0's checkout with its history"}) {
		t.Run(kind, func(t *testing.T) {
			u := newUpstream(t, "foo 1.0.0")
			for i := range 300 {
				u.Reg.Add(simreg.Version{Name: fmt.Sprintf("crate%d", i), Version: "1.0.0"})
			}
			u.Commit()
			kinds[kind](t, u)
			before := objectCount(t, u.dir)
			u.Squash()
			u.mustUpdate(nil)
			if more := objectCount(t, u.dir) - before; more > 1 {
				t.Errorf("%d objects came for a commit whose tree was there", more)
			}
		})
	}
}

// objectCount counts all objects of a repository.
func objectCount(t *testing.T, dir string) (n int) {
	out := indextest.Git(t, dir, "cat-file", "--batch-check", "--batch-all-objects", "--unordered")
	return strings.Count(out, "\n") + 1
}

// TestUpdateRecovers: what a git that was killed has left does not matter.
func TestUpdateRecovers(t *testing.T) {
	for _, kind := range durabletest.Sample(1, []string{"bare", "checkout"}) {
		t.Run(kind, func(t *testing.T) {
			u := newUpstream(t, "foo 1.0.0")
			kinds[kind](t, u)
			gitDir := u.dir
			if kind == "checkout" {
				gitDir = filepath.Join(u.dir, ".git")
			}
			left := []string{"index.lock", "shallow.lock", "HEAD.lock", "refs/heads/master.lock", "refs/clonecratesio/fetched.lock", index.DaysRef + "/2026-01-01.lock", "packed-refs.lock",
				"objects/pack/tmp_pack_q1w2e3"}
			u.Reg.Add(simreg.Version{Name: "foo", Version: "2.0.0"})
			u.Commit()
			plant := func(age time.Duration) {
				for _, name := range left {
					file := filepath.Join(gitDir, filepath.FromSlash(name))
					if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o644)); err != nil {
						t.Fatal(err)
					}
					if err := os.Chtimes(file, time.Time{}, time.Now().Add(-age)); err != nil {
						t.Fatal(err)
					}
				}
			}
			// Young locks are those of a user who runs git by hand.
			plant(time.Minute)
			if _, err := u.update(nil); err == nil || !strings.Contains(err.Error(), ".lock': File exists") {
				t.Fatalf("with young locks: %v", err)
			}
			plant(2 * time.Hour)
			u.mustUpdate(nil)
			u.wantSame()
			// A run of ours that was killed leaves its name in the lock file.
			u.Reg.Add(simreg.Version{Name: "foo", Version: "3.0.0"})
			u.Commit()
			plant(0)
			lock := filepath.Join(filepath.Dir(u.dir), ".index.lock")
			if err := os.WriteFile(lock, []byte(`{"pid":1,"host":"h"}`), 0o644); err != nil {
				t.Fatal(err)
			}
			u.mustUpdate(nil)
			u.wantSame()
			for _, name := range left {
				if _, err := os.Lstat(filepath.Join(gitDir, filepath.FromSlash(name))); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s is still there", name)
				}
			}
		})
	}
}

// TestUpdatesExclude: a second update of the same index is refused.
func TestUpdatesExclude(t *testing.T) {
	u := newUpstream(t, "foo 1.0.0")
	u.mustUpdate(nil)
	lock, err := durable.Lock(filepath.Join(filepath.Dir(u.dir), ".index.lock"), durable.Self("another"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	short := func(cfg *Config) { cfg.patience = time.Nanosecond }
	if _, err := u.update(short); !errors.As(err, new(*durable.HeldError)) {
		t.Errorf("a second update: %v", err)
	}
}

// TestCloneIsWholeOrNothing: a clone that fails leaves nothing.
func TestCloneIsWholeOrNothing(t *testing.T) {
	u := newUpstream(t, "foo 1.0.0")
	parent := filepath.Dir(u.dir)
	if err := os.MkdirAll(filepath.Join(parent, ".index.clone-123", "objects"), 0o755); err != nil {
		t.Fatal(err)
	}
	_, err := u.update(func(cfg *Config) { cfg.URL = u.Git + "-nowhere" })
	if err == nil || !strings.Contains(err.Error(), "fatal: '"+u.Git+"-nowhere' does not appear to be a git repository") {
		t.Errorf("error %v, want git's words", err)
	}
	var left []string
	entries, err := os.ReadDir(parent)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if diff := cmp.Diff([]string{".index.lock"}, left); diff != "" {
		t.Errorf("left behind:\n%s", diff)
	}
	// An empty folder is as good as none.
	if err := os.Mkdir(u.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	u.mustUpdate(nil)
	u.wantSame()
}

// TestUpdateRunsNothing: no hook, filter or transport helper that a repository
// or a URL names is run.
func TestUpdateRunsNothing(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the traps are shell scripts")
	}
	u := newUpstream(t, "foo 1.0.0")
	kinds["v1.1.0's checkout with its history"](t, u)
	trap := filepath.Join(t.TempDir(), "sprung")
	script := "#!/bin/sh\ntouch " + trap + "\ncat\n"
	for _, name := range []string{"post-checkout", "reference-transaction", "post-merge", "post-index-change"} {
		hook := filepath.Join(u.dir, ".git", "hooks", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(hook), 0o755), os.WriteFile(hook, []byte(script), 0o755)); err != nil {
			t.Fatal(err)
		}
	}
	program := filepath.Join(t.TempDir(), "filter")
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	indextest.Git(t, u.dir, "config", "filter.evil.smudge", program)
	indextest.Git(t, u.dir, "config", "core.fsmonitor", program)
	work := t.TempDir()
	indextest.Git(t, work, "clone", "-q", u.Git, "w")
	work = filepath.Join(work, "w")
	if err := errors.Join(os.WriteFile(filepath.Join(work, ".gitattributes"), []byte("* filter=evil eol=crlf\n"), 0o644),
		os.WriteFile(filepath.Join(work, "3", "f", "foo"), []byte(indextest.Line("foo", "9.0.0", indextest.Sum("9"))+"\n"), 0o644)); err != nil {
		t.Fatal(err)
	}
	indextest.Git(t, work, "add", "-A")
	t.Setenv("GIT_COMMITTER_DATE", "2027-01-01T00:00:00Z")
	cmd := exec.Command("git", "-c", "user.name=t", "-c", "user.email=t@example.com", "commit", "-q", "-m", "evil")
	cmd.Dir = work
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	indextest.Git(t, work, "push", "-q", "origin", "HEAD:master")
	u.mustUpdate(nil)
	got, err := os.ReadFile(filepath.Join(u.dir, "3", "f", "foo"))
	if err != nil || string(got) != indextest.Line("foo", "9.0.0", indextest.Sum("9"))+"\n" {
		t.Errorf("the file is %q, %v", got, err)
	}
	for _, url := range []string{"ext::touch " + trap, "--upload-pack=" + program, "fd::3", "relative/path", "ftp://example.org/x"} {
		if _, err := u.update(func(cfg *Config) { cfg.URL = url }); err == nil || !strings.Contains(err.Error(), "is not a URL to fetch an index from") {
			t.Errorf("%q: %v", url, err)
		}
	}
	if _, err := os.Lstat(trap); err == nil {
		t.Error("something was run")
	}
}

// TestUpdateRefusesFolders: what is no repository cannot be updated, also
// inside one.
func TestUpdateRefusesFolders(t *testing.T) {
	u := newUpstream(t, "foo 1.0.0")
	indextest.Git(t, t.TempDir(), "init", "-q", filepath.Dir(u.dir))
	if err := u.Reg.WriteIndex(u.dir); err != nil {
		t.Fatal(err)
	}
	if _, err := u.update(nil); !errors.Is(err, errNoRepository) {
		t.Errorf("a plain folder: %v", err)
	}
}

// TestUpdateTidiesUp: packs do not pile up, and what the index was before stays.
// An index that was put on another disk stays there; where that disk is not
// mounted, the link is not replaced by an index.
func TestUpdateFollowsLinks(t *testing.T) {
	u := newUpstream(t, "foo 1.0.0")
	disk := t.TempDir()
	target := filepath.Join(disk, "index")
	if err := os.MkdirAll(filepath.Dir(u.dir), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, u.dir); err != nil {
		t.Skip(err) // Windows wants a privilege for it
	}
	if up, err := u.update(nil); err == nil || !strings.Contains(err.Error(), "it is a link to a folder that is not there: make that, or mount its disk") {
		t.Fatalf("%+v, %v", up, err)
	}
	if err := os.Mkdir(target, 0o755); err != nil {
		t.Fatal(err)
	}
	u.mustUpdate(nil)
	u.Reg.Add(simreg.MustParse("foo 1.1.0")...)
	u.Commit()
	u.mustUpdate(nil)
	u.wantSame()
	if info, err := os.Lstat(u.dir); err != nil || info.Mode()&fs.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v, %v", info, err)
	}
	entries, err := os.ReadDir(disk)
	if err != nil || len(entries) != 1 {
		t.Errorf("beside the index: %v, %v", entries, err)
	}
}

// Git reads %41 in a URL as A; in the path of a folder it is itself.
func TestUpdateFromAnyPath(t *testing.T) {
	u := newUpstream(t, "foo 1.0.0")
	u.Git = filepath.Join(t.TempDir(), "100%41 of it#?", "up.git")
	if runtime.GOOS == "windows" { // has no such names
		u.Git = filepath.Join(t.TempDir(), "100%41 of it#", "up.git")
	}
	u.Commit()
	u.mustUpdate(nil)
	u.wantSame()
}

func TestUpdateTidiesUp(t *testing.T) {
	u := newUpstream(t, "foo 1.0.0")
	u.mustUpdate(nil)
	before := openIndex(t, u.dir).Commit()
	for i := range 40 {
		file := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(file, []byte(fmt.Sprint(i)), 0o644); err != nil {
			t.Fatal(err)
		}
		id := indextest.Git(t, u.dir, "hash-object", "-w", file)
		cmd := exec.Command("git", "-C", u.dir, "pack-objects", "-q", "objects/pack/pack")
		cmd.Stdin = strings.NewReader(id + "\n")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	u.Squash()
	u.mustUpdate(nil)
	packs, err := filepath.Glob(filepath.Join(u.dir, "objects", "pack", "*.pack"))
	if err != nil || len(packs) > 3 {
		t.Errorf("%d packs, %v", len(packs), err)
	}
	if _, gone, err := openIndex(t, u.dir).Changes(t.Context(), before, nil); err != nil || gone != nil {
		t.Errorf("compared with what it was before: %v, %v", gone, err)
	}
}

func TestUpdateTellsProgress(t *testing.T) {
	u := newUpstream(t, "foo 1.0.0")
	var mu sync.Mutex
	var told []string
	u.mustUpdate(func(cfg *Config) {
		cfg.Progress = func(text string) { mu.Lock(); told = append(told, text); mu.Unlock() }
	})
	mu.Lock()
	defer mu.Unlock()
	if !slices.ContainsFunc(told, func(s string) bool { return strings.HasPrefix(s, "Receiving objects: 100%") }) {
		t.Errorf("told: %q", told)
	}
}

func TestUpdateStops(t *testing.T) {
	u := newUpstream(t, "foo 1.0.0")
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("enough")
	cancel(why)
	if _, err := Update(ctx, Config{Dir: u.dir, URL: u.Git}); !errors.Is(err, why) {
		t.Errorf("error %v, want %v", err, why)
	}
}
