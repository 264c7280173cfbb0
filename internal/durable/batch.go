package durable

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// A Batch publishes many files together. They are written to a separate folder ([Staged])
// and wait there. Commit syncs the file system once for all waiting files, renames them to
// their final names, and syncs again. No name ever refers to bytes that a power cut could
// destroy, at the cost of two syncs for thousands of files. Where a file system cannot be
// synced as a whole, each file and then each folder is synced.
//
// Its methods may be called concurrently: a file that is finished during a Commit belongs
// to the next one. After a failed sync of the file system, which may have affected any
// file, every Commit fails.
type Batch struct {
	fsys FS
	dir  string // of waiting files
	when Durability

	temps atomic.Uint64 // names used in dir
	each  atomic.Bool   // the whole file system cannot be synced

	mu       sync.Mutex // guards the fields below
	finished uint64     // number of finished files
	synced   uint64     // how many of them are durable
	dead     error      // error of a sync of the file system
}

// Durability says when a Batch syncs what it wrote.
type Durability int

const (
	Together Durability = iota // at each Commit, all files at once
	PerFile                    // each file as it is finished, names at Commit
	Never                      // a power cut may destroy anything
)

// NewBatch returns a Batch and touches nothing: call [Batch.Clear] before writing the first
// file. Nothing else may write to the folder dir.
func NewBatch(fsys FS, dir string, when Durability) *Batch {
	return &Batch{fsys: fsys, dir: dir, when: when}
}

// Clear creates the folder of waiting files, and removes what an earlier process left
// there. No file may be waiting.
func (b *Batch) Clear() error {
	if err := b.fsys.MkdirAll(b.dir); err != nil {
		return err
	}
	return RemoveFiles(b.fsys, b.dir, func(string) bool { return true })
}

// RemoveFiles removes the files in and below a folder whose base names are chosen.
func RemoveFiles(fsys FS, dir string, chosen func(name string) bool) error {
	entries, err := fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		name := path.Join(dir, e.Name())
		switch {
		case e.IsDir():
			err = RemoveFiles(fsys, name, chosen)
		case chosen(e.Name()):
			err = fsys.Remove(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Commit makes finished files durable, gives them their names with give, which is
// [FS.Publish], [FS.Replace] or based on them, and makes the names durable. A file that
// cannot get its name because something is in its way is removed, and has the error in
// [Staged.Err]. Commit returns an error of the disk, or of ctx. Files with the same name
// get it in the order in which they were finished.
func (b *Batch) Commit(ctx context.Context, files []*Staged, give func(temp, name string) error) error {
	if len(files) == 0 {
		return nil
	}
	// Neighbours in the tree share folders, and the renames have a deterministic order.
	files = slices.SortedStableFunc(slices.Values(files), func(a, b *Staged) int { return strings.Compare(a.name, b.name) })
	if err := b.syncBytes(ctx, files); err != nil {
		return fmt.Errorf("making %d files durable: %w", len(files), err)
	}
	err := inParallel(ctx, files, func(f *Staged) error { return b.settle(f, b.name(f, give)) })
	if err != nil {
		return err
	}
	dirs := Dirs{".": true}
	for _, f := range files {
		dirs.AddAbove(f.name)
	}
	if err := b.SyncDirs(dirs); err != nil {
		return fmt.Errorf("making the names of %d files durable: %w", len(files), err)
	}
	return nil
}

// CommitOne commits a file that cannot wait for others, without a sync of the whole file
// system. It returns an error if something is in its way.
func (b *Batch) CommitOne(f *Staged, give func(temp, name string) error) error {
	err := f.sync()
	if err == nil {
		err = b.name(f, give)
	}
	if err != nil {
		return errors.Join(err, b.fsys.Remove(f.temp))
	}
	return b.fsys.SyncDir(path.Dir(f.name))
}

// syncBytes makes the bytes of files durable before they get their names.
func (b *Batch) syncBytes(ctx context.Context, files []*Staged) error {
	if !slices.ContainsFunc(files, b.isWaiting) {
		return nil
	}
	if done, err := b.syncAll(); done {
		return err
	}
	return inParallel(ctx, files, (*Staged).sync)
}

// isWaiting reports whether bytes of a file may not be durable yet.
func (b *Batch) isWaiting(f *Staged) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return !f.synced && f.turn > b.synced || b.dead != nil
}

// syncAll syncs the whole file system, if the Batch does that and the system can.
func (b *Batch) syncAll() (done bool, err error) {
	if b.when != Together || b.each.Load() {
		return false, nil
	}
	b.mu.Lock()
	finished, err := b.finished, b.dead
	b.mu.Unlock()
	if err != nil {
		return true, err
	}
	if err = b.fsys.SyncAll(); errors.Is(err, errors.ErrUnsupported) {
		b.each.Store(true)
		return false, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if err == nil {
		b.synced = max(b.synced, finished)
	}
	b.dead = cmp.Or(b.dead, err)
	return true, err
}

// name gives a file its name. It creates the folder if it is missing, which is rare.
func (b *Batch) name(f *Staged, give func(temp, name string) error) error {
	if f.temp == "" {
		return nil
	}
	err := give(f.temp, f.name)
	if errors.Is(err, fs.ErrNotExist) {
		if err = b.fsys.MkdirAll(path.Dir(f.name)); err == nil {
			err = give(f.temp, f.name)
		}
	}
	return err
}

// settle stores an error about a single file in the file.
func (b *Batch) settle(f *Staged, err error) error {
	if IsBroken(err) {
		return fmt.Errorf("publishing %s: %w", f.name, err)
	}
	if err != nil {
		f.Err = errors.Join(err, b.fsys.Remove(f.temp))
	}
	return nil
}

// inParallel calls do for each of the sorted files; files with the same name keep their
// order.
func inParallel(ctx context.Context, files []*Staged, do func(*Staged) error) error {
	g, ctx := errgroup.WithContext(ctx)
	size := len(files)/(2*runtime.GOMAXPROCS(0)) + 1
	for len(files) > 0 {
		n := min(size, len(files))
		for n < len(files) && files[n].name == files[n-1].name {
			n++
		}
		part := files[:n]
		files = files[n:]
		g.Go(func() error {
			for _, f := range part {
				if ctx.Err() != nil {
					return ctx.Err()
				}
				if err := do(f); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// Dirs is a set of folders whose names have changed.
type Dirs map[string]bool

// AddAbove adds the folders above name, except the FS itself.
func (d Dirs) AddAbove(name string) {
	for dir := path.Dir(name); dir != "." && !d[dir]; dir = path.Dir(dir) {
		d[dir] = true
	}
}

// SyncDirs makes the names in folders durable, with a sync of everything if the Batch does
// that. It ignores folders that no longer exist.
func (b *Batch) SyncDirs(dirs Dirs) error {
	if b.when == Never {
		return nil
	}
	if done, err := b.syncAll(); done {
		return err
	}
	return SyncDirs(b.fsys, dirs)
}

// SyncDirs makes the names in folders durable, one after the other. It ignores folders that
// no longer exist.
func SyncDirs(fsys FS, dirs Dirs) error {
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		if err := fsys.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
