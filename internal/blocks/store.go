package blocks

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// A Store keeps the blocks of a mirror, in a folder or in a bucket.
type Store interface {
	// Load returns the list, empty if there is none.
	Load(ctx context.Context) (*List, error)
	// Change durably replaces the list with the one that fn returns. No other process
	// changes it meanwhile; fn may be called again, with a list that another process has
	// written.
	Change(ctx context.Context, fn func(*List) (*List, error)) error
	// String returns the location.
	String() string
}

// Folder returns the store of a mirror on disk, in its state folder, which must exist.
func Folder(state string) Store { return folder(state) }

// Carried returns the folder with the blocks of the sending side of an air gap, given the
// state folder of a mirror. It may be absent.
func Carried(state string) string { return filepath.Join(state, "carried") }

// All returns the blocks of a mirror on disk, its own and those of the sending side.
func All(ctx context.Context, state string) (*List, error) {
	all, err := Folder(state).Load(ctx)
	if err != nil {
		return nil, err
	}
	carried, err := Folder(Carried(state)).Load(ctx)
	if err != nil {
		return nil, err
	}
	return newList(append(slices.Clone(all.Blocks), carried.Blocks...))
}

type folder string

func (d folder) String() string { return filepath.Join(string(d), Name) }

func (d folder) Load(context.Context) (*List, error) {
	state, err := durable.Open(string(d))
	if errors.Is(err, fs.ErrNotExist) {
		return new(List), nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the folder of %s: %w", Name, err)
	}
	defer state.Close()
	return load(state)
}

func load(state durable.Reader) (*List, error) {
	data, err := durable.ReadFile(state, Name, maxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return new(List), nil
	}
	if err != nil {
		return nil, err
	}
	return Read(data)
}

// lockWait is the pause between two attempts to get the lock, which is held only while a
// small file is written.
const lockWait = 20 * time.Millisecond

func (d folder) Change(ctx context.Context, fn func(*List) (*List, error)) (err error) {
	state, err := durable.Open(string(d))
	if err != nil {
		return fmt.Errorf("opening the folder of %s: %w", Name, err)
	}
	defer func() { err = errors.Join(err, state.Close()) }()
	lock, err := d.lock(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Release()) }()
	l, err := load(state)
	if err == nil {
		l, err = fn(l)
	}
	if err != nil {
		return err
	}
	data, err := l.Bytes()
	if err != nil {
		return err
	}
	return durable.WriteFile(state, Name, data)
}

func (d folder) lock(ctx context.Context) (*durable.Lockfile, error) {
	for {
		lock, err := durable.Lock(filepath.Join(string(d), "blocks.lock"), durable.Self("block"))
		if held := (*durable.HeldError)(nil); !errors.As(err, &held) {
			return lock, err
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), err)
		case <-time.After(lockWait):
		}
	}
}

// Bucket returns the store of a mirror in a bucket.
func Bucket(b bucket.Bucket) Store { return &inBucket{Source: &Source{Reader: b}, b: b} }

type inBucket struct {
	*Source
	b bucket.Bucket
}

// attempts bounds how often another writer may replace an object first.
const attempts = 20

func (s *inBucket) Change(ctx context.Context, fn func(*List) (*List, error)) error {
	for range attempts {
		l, tag, err := s.get(ctx, "")
		when := bucket.Unchanged(tag)
		if tag == "" {
			when = bucket.Absent()
		}
		if err == nil {
			l, err = fn(l)
		}
		if err != nil {
			return err
		}
		data, err := l.Bytes()
		if err != nil {
			return err
		}
		_, err = s.b.Put(ctx, Name, bucket.Bytes(data), when)
		if !errors.Is(err, bucket.ErrChanged) && !errors.Is(err, bucket.ErrExists) {
			return err
		}
	}
	return fmt.Errorf("changing %s in %s: others were faster %d times: try again", Name, s, attempts)
}

// Source reads the blocks in a bucket over and over. It must not be used concurrently.
type Source struct {
	Reader bucket.Reader
	// Keep is a state folder for a copy of the last list read, which is used while the
	// bucket is unreachable. If empty, no copy is kept.
	Keep string

	tag  bucket.Tag
	last *List
}

// kept is the name of the copy.
const kept = "blocks.bucket.json"

// patience is how long a bucket may take to answer.
const patience = 5 * time.Second

func (s *Source) String() string { return s.Reader.String() + "/" + Name }

// Load returns the list. If the bucket is unreachable, it returns the previous list and an
// error.
func (s *Source) Load(ctx context.Context) (*List, error) {
	ctx, stop := context.WithTimeoutCause(ctx, patience, fmt.Errorf("%s does not answer", s.Reader))
	defer stop()
	l, tag, err := s.get(ctx, s.tag)
	switch {
	case errors.Is(err, bucket.ErrNotModified):
		return s.last, nil
	case err != nil:
		if s.last == nil && s.Keep != "" {
			s.last = s.remembered()
		}
		return s.last, err
	}
	if s.Keep != "" && (tag != "" || s.remembered() != nil) {
		err = s.remember(l)
	}
	s.last, s.tag = l, tag
	return l, err
}

// get reads the object; tag is empty if there is none.
func (s *Source) get(ctx context.Context, unless bucket.Tag) (*List, bucket.Tag, error) {
	data, o, err := bucket.ReadAll(ctx, s.Reader, Name, bucket.Ask{Unless: unless}, maxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return new(List), "", nil
	}
	if err != nil {
		return nil, "", err
	}
	l, err := Read(data)
	return l, o.Tag, err
}

func (s *Source) remember(l *List) error {
	data, err := l.Bytes()
	if err != nil {
		return err
	}
	state, err := durable.Open(s.Keep)
	if err != nil {
		return err
	}
	return errors.Join(durable.WriteFile(state, kept, data), state.Close())
}

// remembered returns the copy, or nil.
func (s *Source) remembered() *List {
	state, err := durable.Open(s.Keep)
	if err != nil {
		return nil
	}
	defer state.Close()
	data, err := durable.ReadFile(state, kept, maxSize)
	if err != nil {
		return nil
	}
	l, err := Read(data)
	if err != nil {
		return nil
	}
	return l
}
