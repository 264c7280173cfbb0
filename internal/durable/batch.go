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

// A Batch gives many files their names together. They are written to a folder of its own
// ([Staged]) and wait there. Commit syncs the file system once for all that wait, renames
// them to their names, and syncs a second time: no name ever shows bytes that a power cut
// could take away, at the cost of two syncs for thousands of files. Where a file system
// cannot be synced as a whole each file and then each folder is synced by itself.
//
// Its methods may be called concurrently: what is finished beside a Commit belongs
// to the next one. After a failed sync of the file system, which may have been about
// any file, every Commit fails.
type Batch struct {
	fsys FS
	dir  string // of files that wait for their names
	when Durability

	temps atomic.Uint64 // names that were given in dir
	each  atomic.Bool   // there is no sync of the whole file system

	mu       sync.Mutex // guards what follows
	finished uint64     // files so far
	synced   uint64     // as many of them are durable
	dead     error      // of a sync of the file system
}

// Durability says when a Batch forces what it wrote to the disk.
type Durability int

const (
	Together Durability = iota // at each Commit, all files at once
	PerFile                    // each file as it is finished, names at Commit
	Never                      // a power cut may take anything
)

// NewBatch touches nothing: before the first file is written, [Batch.Clear] must be
// called. There must be no other writer to the folder dir.
func NewBatch(fsys FS, dir string, when Durability) *Batch {
	return &Batch{fsys: fsys, dir: dir, when: when}
}

// Clear makes the folder of files that wait for their names, and removes what an
// earlier process left there. Nothing waits while it is called.
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

// Commit makes finished files durable, gives them their names by give, which is
// [FS.Publish], [FS.Replace] or made of them, and makes the names durable. A file that
// does not get its name, because something is in its way, is removed and says so
// ([Staged.Err]); an error is trouble with the disk, or the end of ctx. Of files with one
// name the one that was finished first is the first to get it.
func (b *Batch) Commit(ctx context.Context, files []*Staged, give func(temp, name string) error) error {
	if len(files) == 0 {
		return nil
	}
	// Neighbours in the tree share folders, and the order of renames is one that
	// can be told.
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

// CommitOne is Commit of a file that cannot wait for others, without a sync of
// the whole file system. What is in its way is an error.
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

// syncBytes makes the bytes of files durable, before they get names.
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

// syncAll makes everything durable, if that is how it is done here and can be.
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

// name gives a file its name. The folder, which nearly always is there, is made if
// it is not.
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

// settle makes an error that is about one file its own.
func (b *Batch) settle(f *Staged, err error) error {
	if IsBroken(err) {
		return fmt.Errorf("publishing %s: %w", f.name, err)
	}
	if err != nil {
		f.Err = errors.Join(err, b.fsys.Remove(f.temp))
	}
	return nil
}

// inParallel calls do for each of sorted files; for those of one name in their
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

// Dirs is folders in which names have changed.
type Dirs map[string]bool

// AddAbove adds the folders above name, but for the FS itself.
func (d Dirs) AddAbove(name string) {
	for dir := path.Dir(name); dir != "." && !d[dir]; dir = path.Dir(dir) {
		d[dir] = true
	}
}

// SyncDirs makes the names in folders durable, with all others if that is how the
// batch is synced. Folders that are gone do not matter.
func (b *Batch) SyncDirs(dirs Dirs) error {
	if b.when == Never {
		return nil
	}
	if done, err := b.syncAll(); done {
		return err
	}
	return SyncDirs(b.fsys, dirs)
}

// SyncDirs makes the names in folders durable, one after the other. Those that are
// gone do not matter.
func SyncDirs(fsys FS, dirs Dirs) error {
	for _, dir := range slices.Sorted(maps.Keys(dirs)) {
		if err := fsys.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
