// Package cache is a folder of crates that were expensive to get: rebuilt from the deep
// archive, or downloaded from a bucket. Each is a file named by its checksum. The size is
// bounded, and the least recently used files are removed first. The cache is never the
// source of truth: files are hashed before use, and may be removed at any time.
package cache

import (
	"container/list"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Cache is an open folder. Its methods may be called concurrently. A nil Cache keeps
// nothing.
type Cache struct {
	dir durable.FS
	max int64

	mu    sync.Mutex // guards what follows
	used  int64      // bytes
	files map[crate.Checksum]*list.Element
	order list.List // of *cached, the most recently used last
	temps int
}

// cached is a file of the cache.
type cached struct {
	sum   crate.Checksum
	size  int64
	state durable.State // in which it was hashed; zero: not yet
}

// ErrAbsent means that the cache does not have the crate, or does not accept it. It wraps
// fs.ErrNotExist.
var ErrAbsent = fmt.Errorf("not in the cache: %w", fs.ErrNotExist)

// tempExt is the suffix of files being written.
const tempExt = ".tmp"

// Open opens a folder that no other process uses, and removes what exceeds max bytes.
func Open(dir durable.FS, max int64) (*Cache, error) {
	c := &Cache{dir: dir, max: max, files: map[crate.Checksum]*list.Element{}}
	entries, err := dir.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("opening the cache: %w", err)
	}
	var found []fs.FileInfo
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), tempExt) {
			if err := dir.Remove(e.Name()); err != nil {
				return nil, fmt.Errorf("opening the cache: %w", err)
			}
			continue
		}
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			found = append(found, info)
		}
	}
	slices.SortFunc(found, func(a, b fs.FileInfo) int { return a.ModTime().Compare(b.ModTime()) })
	for _, info := range found {
		if sum, err := crate.ParseChecksum(info.Name()); err == nil {
			c.add(&cached{sum: sum, size: info.Size()})
		}
	}
	c.shrink()
	return c, nil
}

// Used returns the number of bytes in the cache.
func (c *Cache) Used() int64 {
	if c == nil {
		return 0
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.used
}

// Open opens the crate with a checksum, and verifies its bytes. Errors: fs.ErrNotExist.
func (c *Cache) Open(sum crate.Checksum) (*File, error) {
	if c == nil {
		return nil, ErrAbsent
	}
	c.mu.Lock()
	el, ok := c.files[sum]
	var known durable.State
	if ok {
		c.order.MoveToBack(el)
		known = el.Value.(*cached).state
	}
	c.mu.Unlock()
	if !ok {
		return nil, ErrAbsent
	}
	f, err := c.openProven(sum, known)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, ErrOther) { // not for other errors, such as too many open files
		c.drop(sum)
	}
	return f, err
}

// ErrOther means that bytes do not have the checksum that names them.
var ErrOther = errors.New("other bytes than the checksum says")

func (c *Cache) openProven(sum crate.Checksum, known durable.State) (*File, error) {
	f, err := c.dir.Open(sum.String())
	if err != nil {
		return nil, err
	}
	now := time.Now()
	state, err := durable.StateOf(f)
	if err == nil && (known == durable.State{} || state != known) {
		if err = prove(f, sum); err == nil && state.Settled(now) {
			c.remember(sum, state)
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &File{f, state}, nil
}

// prove hashes a file, and rewinds it.
func prove(f durable.File, sum crate.Checksum) error {
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return err
	}
	if err := compare(sum, h, n, n); err != nil {
		return err
	}
	_, err = f.Seek(0, io.SeekStart)
	return err
}

func compare(sum crate.Checksum, h hash.Hash, n, size int64) error {
	switch got := crate.Checksum(h.Sum(nil)); {
	case n > size:
		return fmt.Errorf("%w: more than %d bytes", ErrOther, size)
	case got != sum:
		return fmt.Errorf("%w: sha256 of %d bytes is %s, want %s", ErrOther, n, got, sum)
	}
	return nil
}

func (c *Cache) remember(sum crate.Checksum, state durable.State) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.files[sum]; ok {
		el.Value.(*cached).state = state
	}
}

// Read returns the bytes of a crate. Errors: those of Open.
func (c *Cache) Read(sum crate.Checksum) ([]byte, error) {
	f, err := c.Open(sum)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

// Put stores bytes that have the checksum. Errors: ErrAbsent if they do not fit; those of
// the disk, after which nothing has changed.
func (c *Cache) Put(sum crate.Checksum, data []byte) error {
	return c.keep(sum, int64(len(data)), func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	})
}

// Fill reads, hashes and stores size bytes. Errors: those of Put; ErrOther if they do not
// have the checksum; those of from.
func (c *Cache) Fill(sum crate.Checksum, size int64, from io.Reader) error {
	return c.keep(sum, size, func(w io.Writer) error {
		h := sha256.New()
		n, err := io.Copy(io.MultiWriter(w, h), io.LimitReader(from, size+1))
		if err != nil {
			return err
		}
		return compare(sum, h, n, size)
	})
}

func (c *Cache) keep(sum crate.Checksum, size int64, write func(io.Writer) error) error {
	if c == nil || size > c.max {
		return ErrAbsent
	}
	if err := c.write(sum, write); err != nil {
		return fmt.Errorf("writing to the cache: %w", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.files[sum]; !ok {
		c.add(&cached{sum: sum, size: size})
		c.shrink()
	}
	return nil
}

// write writes a file without syncing it: after a power failure, files are hashed before
// use.
func (c *Cache) write(sum crate.Checksum, write func(io.Writer) error) error {
	c.mu.Lock()
	c.temps++
	temp := fmt.Sprintf("%d%s", c.temps, tempExt)
	c.mu.Unlock()
	f, err := c.dir.Create(temp)
	if err != nil {
		return err
	}
	if err = errors.Join(write(f), f.Close()); err == nil {
		err = c.dir.Replace(temp, sum.String())
	}
	if err != nil {
		return errors.Join(err, c.dir.Remove(temp))
	}
	return nil
}

// drop removes a file that is not what its name says.
func (c *Cache) drop(sum crate.Checksum) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.files[sum]; ok {
		c.remove(el)
	}
}

// add adds a file. The caller of this and the following methods holds mu.
func (c *Cache) add(f *cached) {
	c.files[f.sum] = c.order.PushBack(f)
	c.used += f.size
}

// shrink removes the least recently used files until the rest fits.
func (c *Cache) shrink() {
	for c.used > c.max && c.order.Len() > 0 {
		c.remove(c.order.Front())
	}
}

// remove removes a file from the list in any case. Some systems cannot remove an open file;
// the next Open finds it.
func (c *Cache) remove(el *list.Element) {
	f := el.Value.(*cached)
	c.order.Remove(el)
	delete(c.files, f.sum)
	c.used -= f.size
	_ = c.dir.Remove(f.sum.String())
}

// File is an open file of the cache, whose bytes were hashed in State.
type File struct {
	durable.File
	State durable.State
}
