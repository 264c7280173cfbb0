package bucket

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// privateDir is where a folder keeps files that are not objects.
const privateDir = ".bucket"

// contentTagged is the largest file, in bytes, whose tag is made of its content. The tag of
// a larger file is made of its state (durable.State), which is reliable for files that are
// never replaced; objects that are replaced, roots and leases, are small.
const contentTagged = 1 << 20

// Folder opens a folder as a bucket. Several machines may share it. Objects are created
// under a name that must be free, and replaced under a lock, which the file system must
// support (NFS 4 does). The folder must exist, so that a missing mount is not taken for an
// empty bucket.
func Folder(dir string) (Bucket, error) {
	fsys, err := durable.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the bucket: %w; make the folder, or mount it", err)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	return newFolder(fsys, abs), nil
}

func newFolder(fsys durable.FS, dir string) *folder {
	return &folder{fsys: fsys, dir: dir, durable: map[string]bool{}}
}

type folder struct {
	fsys durable.FS
	dir  string

	mu      sync.Mutex
	durable map[string]bool // folders whose names are durable; guarded by mu
}

func (f *folder) String() string { return "file://" + filepath.ToSlash(f.dir) }

func (f *folder) Put(ctx context.Context, key string, body Body, when Condition) (Tag, error) {
	if err := cmp.Or(ctx.Err(), f.check(key)); err != nil {
		return "", err
	}
	if err := f.mkdir(path.Dir(key)); err != nil {
		return "", err
	}
	if when.absent {
		return f.create(ctx, key, body)
	}
	lock, err := f.lock(ctx)
	if err != nil {
		return "", err
	}
	tag, err := f.replace(ctx, key, body, when)
	return tag, errors.Join(err, lock.Release())
}

func (f *folder) create(ctx context.Context, key string, body Body) (Tag, error) {
	err := durable.FillNew(f.fsys, key, body.copyTo(ctx, key))
	if errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("storing %q: %w", key, ErrExists)
	}
	return f.stored(key, err)
}

func (f *folder) replace(ctx context.Context, key string, body Body, when Condition) (Tag, error) {
	o, err := f.head(key)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if err := when.Check(o.Tag, err == nil); err != nil {
		return "", fmt.Errorf("storing %q: %w", key, err)
	}
	return f.stored(key, durable.FillFile(f.fsys, key, body.copyTo(ctx, key)))
}

func (f *folder) stored(key string, err error) (Tag, error) {
	if err != nil {
		return "", err
	}
	o, err := f.head(key)
	return o.Tag, err
}

// copyTo returns a function that copies the body and fails if the checksum is wrong.
func (b Body) copyTo(ctx context.Context, key string) func(io.Writer) error {
	return func(w io.Writer) error {
		h := sha256.New()
		n, err := io.Copy(io.MultiWriter(h, w), &untilDone{ctx, io.NewSectionReader(b.Data, 0, b.Size)})
		switch {
		case err != nil:
			return fmt.Errorf("storing %q: %w", key, err)
		case n != b.Size:
			return fmt.Errorf("storing %q: %w", key, io.ErrUnexpectedEOF)
		case [sha256.Size]byte(h.Sum(nil)) != b.Checksum:
			return &RefusedError{Key: key, Want: b.Checksum}
		}
		return nil
	}
}

// untilDone is a reader that ends with its context.
type untilDone struct {
	ctx context.Context
	r   io.Reader
}

func (u *untilDone) Read(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.r.Read(p)
}

func (f *folder) Upload(ctx context.Context, key string, body Body, _ Parts) (Tag, error) {
	tag, err := f.Put(ctx, key, body, Absent())
	if err != nil {
		return same(ctx, f, key, body, err)
	}
	return tag, nil
}

func (f *folder) Remove(ctx context.Context, key string) error {
	if err := f.check(key); err != nil {
		return err
	}
	lock, err := f.lock(ctx) // keeps writers from replacing it now
	if err != nil {
		return err
	}
	if err = f.fsys.Remove(key); err == nil {
		err = f.fsys.SyncDir(path.Dir(key))
	} else if errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return errors.Join(err, lock.Release())
}

// check rejects keys of the bucket's private files.
func (f *folder) check(key string) error {
	if first, _, _ := strings.Cut(key, "/"); first == privateDir || durable.IsTemp(key) {
		return fmt.Errorf("key %q is one that a folder needs for itself", key)
	}
	return CheckKey(key)
}

// maxDurable bounds how many folders are remembered as durable.
const maxDurable = 10_000

// mkdir creates a folder and makes its name durable. An existing folder may not be durable
// yet: another machine may have created it a moment ago.
func (f *folder) mkdir(dir string) error {
	f.mu.Lock()
	known := f.durable[dir]
	f.mu.Unlock()
	if info, err := f.fsys.Stat(dir); known && err == nil && info.IsDir() {
		return nil
	}
	if err := f.fsys.MkdirAll(dir); err != nil {
		return err
	}
	dirs := durable.Dirs{".": true}
	dirs.AddAbove(dir)
	if err := durable.SyncDirs(f.fsys, dirs); err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.durable) >= maxDurable {
		clear(f.durable)
	}
	f.durable[dir] = true
	return nil
}

// lockWait is the longest pause between two attempts to take the lock.
const lockWait = 20 * time.Millisecond

// lock waits for the lock that guards replacing and removing.
func (f *folder) lock(ctx context.Context) (*durable.Lockfile, error) {
	if err := f.mkdir(privateDir); err != nil {
		return nil, err
	}
	for {
		lock, err := durable.Lock(filepath.Join(f.dir, privateDir, "lock"), durable.Self("replace an object"))
		if held := (*durable.HeldError)(nil); !errors.As(err, &held) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(ctx.Err(), err)
		case <-time.After(time.Duration(rand.Int64N(int64(lockWait)))):
		}
	}
}
