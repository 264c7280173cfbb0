package pull

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
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

const (
	// small is the size up to which a crate file is hashed whenever it is given out, and
	// read into memory for that.
	small = 1 << 20
	// provenFor is how long the proof of a larger one holds.
	provenFor = 10 * time.Minute
)

// folder is the files.
type folder struct {
	fsys  durable.FS
	batch *durable.Batch // of files that are durable before they have their names
	cache *durable.Batch // of lines of which no version was pulled: nothing syncs them

	files, bytes atomic.Int64             // of crates
	dirs         recent.Map[string, bool] // folders whose names are durable
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

type proof struct {
	state durable.State
	made  time.Time
}

func openFolder(fsys durable.FS) (*folder, error) {
	f := &folder{fsys: fsys, batch: durable.NewBatch(fsys, tempDir, durable.PerFile), cache: durable.NewBatch(fsys, linesDir, durable.Never)}
	for _, dir := range []string{cratesDir, indexDir} {
		if err := fsys.MkdirAll(dir); err != nil {
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
	err := durable.SyncFile(f.fsys, file)
	if err == nil {
		err = f.syncName(file)
	}
	return err
}

// syncName makes the name of a file durable, and those of the folders above that were not
// known to be: nobody removes one.
func (f *folder) syncName(file string) error {
	dir := path.Dir(file)
	if known, _ := f.dirs.Get(dir); known {
		return f.fsys.SyncDir(dir)
	}
	dirs := durable.Dirs{".": true}
	dirs.AddAbove(file)
	err := durable.SyncDirs(f.fsys, dirs)
	if err == nil {
		f.dirs.Put(dir, true)
	}
	return err
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
func (f *folder) publish(key crate.Key, file *durable.Staged, size int64, ready func() error) error {
	before, replaced := f.size(key.ID)
	beside := make(chan error, 1)
	go func() { beside <- ready() }()
	err := file.Finish(cratePath(key.ID))
	if errReady := <-beside; errReady != nil {
		if err == nil {
			err = file.Discard()
		}
		return errors.Join(errReady, err)
	}
	if err == nil {
		err = f.batch.CommitOne(file, f.fsys.Replace)
	}
	if known, _ := f.dirs.Get(path.Dir(cratePath(key.ID))); err == nil && !known {
		err = f.syncName(cratePath(key.ID))
	}
	if err != nil {
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

// open opens bytes. Errors: fs.ErrNotExist; *crate.ChecksumError.
func (f *folder) open(key crate.Key) (store.Content, error) {
	file, err := f.fsys.Open(cratePath(key.ID))
	if err != nil {
		return nil, err
	}
	content, err := f.prove(file, key)
	if err != nil || content.Size() <= small {
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		return nil, err
	}
	return content, nil
}

func (f *folder) prove(file durable.File, key crate.Key) (store.Content, error) {
	now := time.Now()
	state, err := durable.StateOf(file)
	if err != nil {
		return nil, err
	}
	if state.Size <= small {
		data := make([]byte, state.Size)
		if _, err := io.ReadFull(file, data); err != nil {
			return nil, err
		}
		sum, _, err := crate.Hash(bytes.NewReader(data))
		return store.InMemory(data), errors.Join(err, compare(key, sum, state.Size))
	}
	if have, ok := f.proven.Get(key.Checksum); ok && have.state == state && now.Sub(have.made) < provenFor {
		return store.InFile(file, "pulled", state), nil
	}
	_, err, _ = f.hashing.Do(fmt.Sprint(key.Checksum, state), func() (any, error) {
		sum, size, err := crate.Hash(io.NewSectionReader(file, 0, state.Size))
		return nil, errors.Join(err, compare(key, sum, size))
	})
	if err == nil && state.Settled(now) {
		f.proven.Put(key.Checksum, proof{state, now})
	}
	return store.InFile(file, "pulled", state), err
}

func compare(key crate.Key, sum crate.Checksum, size int64) error {
	if sum == key.Checksum {
		return nil
	}
	return &crate.ChecksumError{ID: key.ID, Want: key.Checksum, Got: sum, Size: size}
}

// remove removes a crate file.
func (f *folder) remove(id crate.ID, size int64) error {
	err := f.fsys.Remove(cratePath(id))
	if err == nil {
		f.files.Add(-1)
		f.bytes.Add(-size)
	}
	return err
}

// walk calls fn for each file below a folder, those of one folder in the order of their
// names. What is no file of ours is left alone.
func (f *folder) walk(ctx context.Context, dir string, fn func(name string, info fs.FileInfo) error) error {
	entries, err := f.fsys.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		name := path.Join(dir, e.Name())
		if e.IsDir() {
			err = f.walk(ctx, name, fn)
		} else if info, errInfo := e.Info(); errInfo == nil && info.Mode().IsRegular() {
			err = fn(name, info)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// walkCrates calls fn for each crate file.
func (f *folder) walkCrates(ctx context.Context, fn func(id crate.ID, info fs.FileInfo) error) error {
	return f.walk(ctx, cratesDir, func(name string, info fs.FileInfo) error {
		id, err := crate.ParseLoosePath(strings.TrimPrefix(name, cratesDir+"/"))
		if err != nil {
			return nil
		}
		return fn(id, info)
	})
}
