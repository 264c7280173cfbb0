package durable_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// text returns the content of a file: long enough to be torn.
func text(name string, n int) string { return strings.Repeat(fmt.Sprintf("%s %d;", name, n), 8) }

// A trial runs a batch on a disk on which others have written.
type trial struct {
	when      durable.Durability
	noSyncAll bool
	replace   bool
}

func (c trial) String() string {
	return fmt.Sprintf("durability %d, NoSyncAll %t, replace %t", c.when, c.noSyncAll, c.replace)
}

var trials = []trial{
	{durable.Together, false, false}, {durable.Together, false, true}, {durable.Together, true, false},
	{durable.Together, true, true}, {durable.PerFile, false, true}, {durable.PerFile, true, false},
}

// The names that a trial gives in its first and its second Commit. One exists before; two
// files of the first have the same name; each has a new folder.
var givenNames = [][]string{{"a/old", "a/twice", "a/twice", "b/c/new"}, {"d/new", "a/late"}}

// run makes a batch on disk through fsys, and calls said with what is promised from then
// on.
func (c trial) run(disk *durabletest.Mem, fsys durable.FS, said func(promised map[string]string)) error {
	promised := map[string]string{"a/old": text("a/old", -1)}
	if err := errors.Join(disk.MkdirAll("a"), durable.WriteFile(disk, "a/old", []byte(promised["a/old"])), disk.SyncAll()); err != nil && !disk.NoSyncAll {
		return err
	}
	if err := errors.Join(disk.SyncDir("a"), disk.SyncDir(".")); err != nil {
		return err
	}
	said(promised)
	b := durable.NewBatch(fsys, "tmp", c.when)
	if err := b.Clear(); err != nil {
		return err
	}
	give := fsys.Publish
	if c.replace {
		give = fsys.Replace
	}
	for _, names := range givenNames {
		var files []*durable.Staged
		promised = maps.Clone(promised)
		for n, name := range names {
			f, err := b.Stage(name, strings.NewReader(text(name, n)))
			if err != nil {
				return err
			}
			files = append(files, f)
			if _, there := promised[name]; !there || c.replace {
				promised[name] = text(name, n)
			}
		}
		found := "found-" + names[0][:1]
		if err := writeUnsynced(disk, "lost", found, text(found, 0)); err != nil {
			return err
		}
		promised[found] = text(found, 0)
		if err := b.Commit(context.Background(), append(files, b.StageFound("", found)), give); err != nil {
			return err
		}
		for _, f := range files {
			if f.Err != nil && (c.replace || !errors.Is(f.Err, fs.ErrExist)) {
				return f.Err
			}
		}
		said(promised)
	}
	return nil
}

// writeUnsynced publishes a file without making it durable.
func writeUnsynced(disk *durabletest.Mem, temp, name, content string) error {
	f, err := disk.Create(temp)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(content))
	return errors.Join(err, f.Close(), disk.Publish(temp, name))
}

// wrong reports what is wrong with a disk after these promises: a missing name, or a name
// whose bytes are not those of any file of the trial.
func wrong(disk *durabletest.Mem, promised map[string]string) string {
	for _, name := range []string{"a/old", "a/twice", "b/c/new", "d/new", "a/late", "found-a", "found-d"} {
		data, err := durable.ReadFile(disk, name, 1<<10)
		want, isPromised := promised[name]
		switch {
		case isPromised && err != nil:
			return fmt.Sprintf("%s is gone: %v", name, err)
		case isPromised && string(data) == want, errors.Is(err, fs.ErrNotExist), strings.HasPrefix(name, "found") && !isPromised:
		case !slices.ContainsFunc([]int{-1, 0, 1, 2, 3}, func(n int) bool { return string(data) == text(name, n) }):
			return fmt.Sprintf("%s shows %q", name, data)
		}
	}
	return ""
}

// proof runs a trial, and cuts the power several times at each operation and at the end. It
// returns the first fault that it finds. sabotage, if not nil, is between the batch and the
// disk.
func (c trial) proof(t *testing.T, sabotage func(durable.FS) durable.FS) (wrongs string) {
	t.Helper()
	disk := durabletest.NewMem()
	disk.NoSyncAll = c.noSyncAll
	rnd := rand.New(rand.NewPCG(1, 2))
	var mu sync.Mutex // names are given in parallel
	promised := map[string]string{}
	cut := func(at any, times int) {
		for range times {
			if w := wrong(disk.Crash(rnd), promised); w != "" && wrongs == "" {
				wrongs = fmt.Sprintf("after a power cut at %v: %s", at, w)
			}
		}
	}
	var fsys durable.FS = durabletest.Hook(disk, func(op durabletest.Op) durabletest.Fault {
		mu.Lock()
		defer mu.Unlock()
		cut(op, 20)
		return durabletest.Fault{}
	})
	if sabotage != nil {
		fsys = sabotage(fsys)
	}
	must(t, c.run(disk, fsys, func(p map[string]string) {
		mu.Lock()
		defer mu.Unlock()
		promised = p
		cut("the end of a Commit", 50)
	}))
	return wrongs
}

// C3, C6: whenever the power is cut, names refer to whole files, old or new, and after
// Commit to all of them.
func TestC3BatchSurvivesPowerCuts(t *testing.T) {
	for _, c := range trials {
		if w := c.proof(t, nil); w != "" {
			t.Errorf("%v: %s", c, w)
		}
	}
}

// unsynced is an FS that omits some syncs.
type unsynced struct {
	durable.FS
	file, dir func(name string) bool // whose syncs are omitted
	all       func(n int) bool       // the n-th sync of everything
	alls      int
}

func (u *unsynced) SyncAll() error {
	if u.alls++; u.all != nil && u.all(u.alls) {
		return nil
	}
	return u.FS.SyncAll()
}

func (u *unsynced) SyncDir(name string) error {
	if u.dir != nil && u.dir(name) {
		return nil
	}
	return u.FS.SyncDir(name)
}

func (u *unsynced) Open(name string) (durable.File, error)   { return u.opened(u.FS.Open(name)) }
func (u *unsynced) Create(name string) (durable.File, error) { return u.opened(u.FS.Create(name)) }
func (u *unsynced) Append(name string) (durable.File, error) { return u.opened(u.FS.Append(name)) }

func (u *unsynced) opened(f durable.File, err error) (durable.File, error) {
	if err != nil || u.file == nil {
		return f, err
	}
	return &unsyncedFile{f, u.file}, nil
}

type unsyncedFile struct {
	durable.File
	left func(name string) bool
}

func (f *unsyncedFile) Sync() error {
	if info, err := f.Stat(); err != nil || f.left(info.Name()) {
		return err
	}
	return f.File.Sync()
}

// The proof above is valid: it finds each omitted step, which includes any two steps in the
// wrong order.
func TestC6ProofOfBatchFindsEachStepLeftOut(t *testing.T) {
	nth := func(want int) func(int) bool { return func(n int) bool { return n == want } }
	named := func(want string) func(string) bool { return func(name string) bool { return name == want } }
	temps := func(name string) bool { return len(name) == 16 }
	both, each := []bool{false, true}, []bool{true}
	for what, tt := range map[string]struct {
		unsynced
		noSyncAll []bool
		when      []durable.Durability
	}{
		"bytes of the first batch":         {unsynced{all: nth(1)}, both[:1], []durable.Durability{durable.Together}},
		"names of the first batch":         {unsynced{all: nth(2)}, both[:1], []durable.Durability{durable.Together}},
		"bytes of the second batch":        {unsynced{all: nth(3)}, both[:1], []durable.Durability{durable.Together}},
		"names of the second batch":        {unsynced{all: nth(4)}, both[:1], []durable.Durability{durable.Together}},
		"bytes of each file, learned late": {unsynced{file: temps}, each, []durable.Durability{durable.Together}},
		"bytes of each file":               {unsynced{file: temps}, both, []durable.Durability{durable.PerFile}},
		"a file that was found":            {unsynced{file: named("found-a")}, each, []durable.Durability{durable.Together, durable.PerFile}},
		"the folder itself":                {unsynced{dir: named(".")}, each, []durable.Durability{durable.Together, durable.PerFile}},
		"a folder that was there":          {unsynced{dir: named("a")}, each, []durable.Durability{durable.Together, durable.PerFile}},
		"a folder that was made":           {unsynced{dir: named("b")}, each, []durable.Durability{durable.Together, durable.PerFile}},
		"a folder in one that was made":    {unsynced{dir: named("b/c")}, each, []durable.Durability{durable.Together, durable.PerFile}},
	} {
		for _, noSyncAll := range tt.noSyncAll {
			for _, when := range tt.when {
				c := trial{when, noSyncAll, true}
				broken := tt.unsynced
				if w := c.proof(t, func(fsys durable.FS) durable.FS { broken.FS = fsys; return &broken }); w == "" {
					t.Errorf("%v: nobody sees that no sync is made of %s", c, what)
				}
			}
		}
	}
}

// C12: wherever the disk fails, no name refers to a partial file, and the failure is
// reported unless everything is there anyway (as when a folder was missing).
func TestC12BatchFails(t *testing.T) {
	for _, c := range trials {
		for _, persisted := range []bool{false, true} {
			for n := 1; ; n++ {
				disk := durabletest.NewMem()
				disk.NoSyncAll = c.noSyncAll
				bad := durabletest.FailAt(disk, n, durable.ErrNoSpace, false, persisted)
				promised := map[string]string{}
				err := c.run(disk, bad, func(p map[string]string) { promised = p })
				if w := wrong(disk.Crash(rand.New(rand.NewPCG(1, uint64(n)))), promised); w != "" {
					t.Errorf("%v, operation %d fails, persisted %t: %s", c, n, persisted, w)
				}
				if bad.Ops() < n {
					if err != nil || n < 30 {
						t.Errorf("%v: %d operations, %v", c, n, err)
					}
					break
				}
				if err != nil && !errors.Is(err, durable.ErrNoSpace) || err == nil && len(promised) != 7 {
					t.Errorf("%v, operation %d fails, persisted %t: %v", c, n, persisted, err)
				}
			}
		}
	}
}

// C12: the kernel reports a failed write-back once. A later sync that succeeds does not
// make earlier writes durable.
func TestC12BatchIsDeadAfterFailedSyncAll(t *testing.T) {
	disk := durabletest.NewMem()
	fails := true
	fsys := &failsOnce{FS: disk, fails: &fails}
	b := durable.NewBatch(fsys, "tmp", durable.Together)
	must(t, b.Clear())
	early, err := b.Stage("early", strings.NewReader("x"))
	must(t, err)
	if err := b.SyncDirs(durable.Dirs{".": true}); !errors.Is(err, durable.ErrNoSpace) {
		t.Errorf("SyncDirs: %v", err)
	}
	if err := b.Commit(t.Context(), []*durable.Staged{early}, fsys.Publish); !errors.Is(err, durable.ErrNoSpace) {
		t.Errorf("Commit after a failed sync: %v", err)
	}
	if _, err := disk.Stat("early"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that may not be whole has its name: %v", err)
	}
}

type failsOnce struct {
	durable.FS
	fails *bool
}

func (f *failsOnce) SyncAll() error {
	if *f.fails {
		*f.fails = false
		return durable.ErrNoSpace
	}
	return f.FS.SyncAll()
}

// during is an FS that does something else just after a sync of everything.
type during struct {
	durable.FS
	then func()
	alls int
}

func (d *during) SyncAll() error {
	d.alls++
	err := d.FS.SyncAll()
	if then := d.then; then != nil {
		d.then = nil
		then()
	}
	return err
}

// C6: a file that was finished during a sync of everything is not durable. One that was
// finished before is, and needs no further sync.
func TestC6FinishedBesideASync(t *testing.T) {
	disk := durabletest.NewMem()
	fsys := &during{FS: disk}
	b := durable.NewBatch(fsys, "tmp", durable.Together)
	must(t, b.Clear())
	stage := func(name string) []*durable.Staged {
		f, err := b.Stage(name, strings.NewReader(text(name, 0)))
		must(t, err)
		return []*durable.Staged{f}
	}
	first, second := stage("first"), stage("second")
	var beside []*durable.Staged
	fsys.then = func() { beside = stage("beside") }
	must(t, b.SyncDirs(durable.Dirs{".": true}))
	for _, files := range [][]*durable.Staged{first, second, beside} {
		must(t, b.Commit(t.Context(), files, disk.Publish))
	}
	if fsys.alls != 4 { // before, and after each
		t.Errorf("%d syncs of everything, want 4", fsys.alls)
	}
	fsys.then = func() { beside = stage("last") }
	must(t, b.SyncDirs(durable.Dirs{".": true}))
	alls := fsys.alls
	must(t, b.Commit(t.Context(), beside, disk.Publish))
	if fsys.alls != alls+2 {
		t.Errorf("%d syncs of everything for a file that was finished beside one, want 2", fsys.alls-alls)
	}
}

// A file whose name is taken fails alone; nothing of it is left.
func TestC17BatchRefuses(t *testing.T) {
	disk := durabletest.NewMem()
	must(t, disk.MkdirAll("a/folder"))
	must(t, durable.WriteFile(disk, "b", nil))
	b := durable.NewBatch(disk, "tmp", durable.Together)
	must(t, disk.MkdirAll("tmp"))
	must(t, durable.WriteFile(disk, "tmp/left", nil))
	must(t, b.Clear())
	got := map[string]bool{}
	var files []*durable.Staged
	names := []string{"a/folder", "b", "b/c", "good", "new/good", "new/good"}
	for n, name := range names {
		f, err := b.Stage(name, strings.NewReader(text(name, n)))
		must(t, err)
		files = append(files, f)
	}
	must(t, b.Commit(t.Context(), files, disk.Publish))
	for n, f := range files {
		got[fmt.Sprintf("%d %s", n, names[n])] = f.Err == nil
	}
	want := map[string]bool{"0 a/folder": false, "1 b": false, "2 b/c": false, "3 good": true, "4 new/good": true, "5 new/good": false}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("which got their names: -want +got:\n%s", diff)
	}
	must(t, durable.RemoveFiles(disk, "tmp", func(name string) bool { t.Errorf("%s is left", name); return false }))
	if data, err := durable.ReadFile(disk, "new/good", 1<<10); err != nil || string(data) != text("new/good", 4) {
		t.Errorf("of two for one name the first has it not: %q, %v", data, err)
	}
	files = files[:0]
	const many = 200 // more than one goroutine gives names
	for n := range many {
		f, err := b.Stage("same", strings.NewReader(text("same", n)))
		must(t, err)
		files = append(files, f)
	}
	must(t, b.Commit(t.Context(), files, disk.Replace))
	if data, err := durable.ReadFile(disk, "same", 1<<10); err != nil || string(data) != text("same", many-1) {
		t.Errorf("of %d for one name the last has it not: %q, %v", many, data, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	last, err := b.Stage("last", strings.NewReader(""))
	must(t, err)
	if err := b.Commit(ctx, []*durable.Staged{last}, disk.Publish); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

// A single file is durable before its name is, and its name is durable, too.
func TestC6CommitOne(t *testing.T) {
	disk := durabletest.NewMem()
	rnd := rand.New(rand.NewPCG(1, 1))
	var names []string
	hooked := durabletest.Hook(disk, func(op durabletest.Op) durabletest.Fault {
		if data, err := durable.ReadFile(disk.Crash(rnd), "one", 1<<10); err == nil && string(data) != text("one", 0) {
			t.Errorf("at %v it shows %q", op, data)
		}
		names = append(names, string(op.Kind))
		return durabletest.Fault{}
	})
	b := durable.NewBatch(hooked, "tmp", durable.Together)
	must(t, b.Clear())
	one := func() *durable.Staged {
		f, err := b.Stage("one", strings.NewReader(text("one", 0)))
		must(t, err)
		return f
	}
	must(t, b.CommitOne(one(), hooked.Publish))
	if slices.Contains(names, string(durabletest.OpSyncAll)) {
		t.Errorf("everything was synced: %q", names)
	}
	for range 20 {
		if data, err := durable.ReadFile(disk.Crash(rnd), "one", 1<<10); err != nil || string(data) != text("one", 0) {
			t.Errorf("at the end it shows %q, %v", data, err)
		}
	}
	if err := b.CommitOne(one(), hooked.Publish); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over another: %v", err)
	}
	must(t, durable.RemoveFiles(disk, "tmp", func(name string) bool { t.Errorf("%s is left", name); return false }))
}
