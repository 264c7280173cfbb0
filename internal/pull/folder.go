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

// Subfolders of the folder of pulled crates.
const (
	cratesDir = "crates"
	indexDir  = "index"
	tempDir   = "tmp"
	linesDir  = "tmp-index"
)

// LockName is the name of the lock in the folder.
const LockName = ".lock"

// folder is the folder of pulled crates.
type folder struct {
	fsys  durable.FS
	batch *durable.Batch // for files that are durable before they have their names
	cache *durable.Batch // for lines without a pulled version: they are never synced

	files, bytes atomic.Int64 // of crates
	dirs         dirs
	proven       recent.Map[crate.Checksum, proof]
	used         recent.Map[crate.ID, time.Time]
	hashing      singleflight.Group
	locks        [64]sync.Mutex // by name: for its lines, and the existence of its crates
}

// lock locks the stored files of a crate, by its lower-case name.
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

// writeLines replaces the file of lines of a crate, durably, or so that a power failure may
// lose it.
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

// syncLines makes the file of lines durable. It is an error if there is none: a crate
// without its line would be worthless.
func (f *folder) syncLines(name string) error {
	file := linesPath(name)
	return together(
		func() error { return durable.SyncFile(f.fsys, file) },
		func() error { return f.fsys.SyncDir(path.Dir(file)) },
		func() error { return f.dirs.sync(path.Dir(file)) },
	)
}

func (f *folder) removeLines(name string) error { return f.fsys.Remove(linesPath(name)) }

// size returns the size of a crate file.
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

// publish makes a crate file durable and gives it its name, replacing a damaged one, unless
// ready fails, which runs meanwhile. It takes ownership of the file.
//
// Everything before the name is made durable at the same time, for which a journaling file
// system writes its journal once, and then the name: two waits for the disk.
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

// use records that a crate file was requested.
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
