package pull

import (
	"bytes"
	"context"
	"errors"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/sparse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/recent"
)

// The folders in that of what was pulled.
const (
	cratesDir = "crates"
	indexDir  = "index"
	tempDir   = "tmp"
	linesDir  = "tmp-index"
)

// LockName is the lock in the folder.
const LockName = ".lock"

// folder is the files.
type folder struct {
	fsys  durable.FS
	batch *durable.Batch // of files that are durable before they have their names
	cache *durable.Batch // of lines without a pulled version: nothing syncs them

	files, bytes atomic.Int64 // of crates
	dirs         dirs
	proven       recent.Map[crate.Checksum, proof]
	used         recent.Map[crate.ID, time.Time]
	hashing      singleflight.Group
	locks        [64]sync.Mutex // of names: their lines, and that there are crates of them
}

// lock keeps others from what is kept of a crate, by its lower-case name.
func (f *folder) lock(name string) *sync.Mutex {
	mu := &f.locks[crate.ShardOf(name, len(f.locks))]
	mu.Lock()
	return mu
}

func openFolder(fsys durable.FS) (*folder, error) {
	f := &folder{
		fsys: fsys, batch: durable.NewBatch(fsys, tempDir, durable.PerFile), cache: durable.NewBatch(fsys, linesDir, durable.Never),
		dirs: dirs{fsys: fsys},
	}
	for _, dir := range []string{cratesDir, indexDir} {
		if err := f.dirs.make(dir); err != nil {
			return nil, err
		}
	}
	return f, errors.Join(f.batch.Clear(), f.cache.Clear())
}

func lowerName(name string) string { return strings.ToLower(name) }

func cratePath(id crate.ID) string { return path.Join(cratesDir, id.LoosePath()) }

func linesPath(name string) string { return path.Join(indexDir, crate.IndexPath(name)) }

// readLines reads the file of lines of a crate.
func (f *folder) readLines(name string) ([]byte, error) {
	return durable.ReadFile(f.fsys, linesPath(name), 2*sparse.MaxFile)
}

// writeLines writes it, whole; durably, or so that a power cut may take it.
func (f *folder) writeLines(name string, data []byte, durably bool) error {
	to := f.cache
	if durably {
		to = f.batch
	}
	file, err := to.Stage(linesPath(name), bytes.NewReader(data))
	if err != nil {
		return err
	}
	if err := to.Commit(context.Background(), []*durable.Staged{file}, f.fsys.Replace); err != nil {
		return err
	}
	return file.Err
}

// syncLines makes it durable. That there is none is an error: a crate without its line
// would be worth nothing.
func (f *folder) syncLines(name string) error {
	file := linesPath(name)
	return together(
		func() error { return durable.SyncFile(f.fsys, file) },
		func() error { return f.fsys.SyncDir(path.Dir(file)) },
		func() error { return f.dirs.sync(path.Dir(file)) },
	)
}

func (f *folder) removeLines(name string) error { return f.fsys.Remove(linesPath(name)) }

// size returns that of a crate file.
func (f *folder) size(id crate.ID) (int64, bool) {
	info, err := f.fsys.Stat(cratePath(id))
	if err != nil || !info.Mode().IsRegular() {
		return 0, false
	}
	return info.Size(), true
}

func (f *folder) has(id crate.ID) bool {
	_, ok := f.size(id)
	return ok
}

// stage begins a crate file.
func (f *folder) stage(data []byte) (*durable.Staged, error) {
	file, err := f.batch.Create()
	if err != nil {
		return nil, err
	}
	if _, err = file.Write(data); err != nil {
		return nil, errors.Join(err, file.Discard())
	}
	return file, nil
}

// publish makes a crate file durable and gives it its name, in the place of one that is
// damaged, if ready, which is called beside, has nothing against it. It owns the file.
//
// All that comes before the name is made durable at the same time, for which a journaling
// file system writes its journal once, and then the name: two waits for the disk.
func (f *folder) publish(key crate.Key, file *durable.Staged, size int64, ready func() error) error {
	name := cratePath(key.ID)
	before, replaced := f.size(key.ID)
	finished := false
	err := together(ready, func() error { return f.dirs.make(path.Dir(name)) }, func() error {
		err := file.Finish(name)
		finished = err == nil
		return err
	})
	if err != nil {
		if finished {
			err = errors.Join(err, file.Discard())
		}
		return err
	}
	if err := f.batch.CommitOne(file, f.fsys.Replace); err != nil {
		return err
	}
	f.bytes.Add(size)
	if replaced {
		f.bytes.Add(-before)
	} else {
		f.files.Add(1)
	}
	return nil
}

// use remembers that a crate file was asked for.
func (f *folder) use(id crate.ID) { f.used.Put(id, time.Now()) }

// remove removes a crate file.
func (f *folder) remove(id crate.ID, size int64) error {
	err := f.fsys.Remove(cratePath(id))
	if err == nil {
		f.files.Add(-1)
		f.bytes.Add(-size)
	}
	return err
}
