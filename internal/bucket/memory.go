package bucket

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Memory returns an empty bucket in memory, for tests. It keeps the contract.
func Memory() Bucket { return &memory{objects: map[string]memoryObject{}} }

type memory struct {
	mu      sync.Mutex
	objects map[string]memoryObject
}

type memoryObject struct {
	Object
	data []byte
}

func (m *memory) String() string { return "mem:" }

func (m *memory) Put(ctx context.Context, key string, body Body, when Condition) (Tag, error) {
	data, err := m.read(ctx, key, body)
	if err != nil {
		return "", err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.objects[key]
	if err := when.Check(old.Tag, ok); err != nil {
		return "", fmt.Errorf("storing %q: %w", key, err)
	}
	tag := contentTag(data)
	m.objects[key] = memoryObject{Object{Key: key, Size: body.Size, Tag: tag, Modified: time.Now()}, data}
	return tag, nil
}

// Check returns ErrExists or ErrChanged if the condition does not hold for the current
// object: its tag, and whether it is there. Implementations call it.
func (c Condition) Check(tag Tag, there bool) error {
	switch {
	case c.absent && there:
		return ErrExists
	case c.tag != "" && (!there || c.tag != tag):
		return ErrChanged
	}
	return nil
}

func (m *memory) read(ctx context.Context, key string, body Body) ([]byte, error) {
	if err := cmp.Or(ctx.Err(), CheckKey(key)); err != nil {
		return nil, err
	}
	data := make([]byte, body.Size)
	if _, err := io.ReadFull(io.NewSectionReader(body.Data, 0, body.Size), data); err != nil {
		return nil, fmt.Errorf("storing %q: %w", key, err)
	}
	if sha256.Sum256(data) != body.Checksum {
		return nil, &RefusedError{Key: key, Want: body.Checksum}
	}
	return data, nil
}

// contentTag returns a tag that depends on the content alone, as S3's do, so that tests fail
// if a caller mistakes it for a version.
func contentTag(data []byte) Tag {
	sum := sha256.Sum256(data)
	return Tag(`"` + hex.EncodeToString(sum[:16]) + `"`)
}

func (m *memory) Upload(ctx context.Context, key string, body Body, _ Parts) (Tag, error) {
	tag, err := m.Put(ctx, key, body, Absent())
	if err != nil {
		return same(ctx, m, key, body, err)
	}
	return tag, nil
}

func (m *memory) Get(ctx context.Context, key string, ask Ask) (io.ReadCloser, Object, error) {
	if err := cmp.Or(ctx.Err(), CheckKey(key)); err != nil {
		return nil, Object{}, err
	}
	m.mu.Lock()
	o, ok := m.objects[key]
	m.mu.Unlock()
	if !ok {
		return nil, Object{}, &fs.PathError{Op: "get", Path: key, Err: fs.ErrNotExist}
	}
	length, err := ask.Check(o.Object)
	if err != nil {
		return nil, o.Object, fmt.Errorf("reading %q: %w", key, err)
	}
	return io.NopCloser(bytes.NewReader(o.data[ask.Offset:][:length])), o.Object, nil
}

// Check returns how many bytes answer the request, given the current object, or
// ErrNotModified, ErrChanged, ErrRange. Implementations call it.
func (a Ask) Check(o Object) (int64, error) {
	switch {
	case a.Unless != "" && a.Unless == o.Tag:
		return 0, ErrNotModified
	case a.Same != "" && a.Same != o.Tag:
		return 0, ErrChanged
	case a.Offset < 0 || a.Length < 0 || a.Offset > 0 && a.Offset >= o.Size:
		return 0, ErrRange
	}
	if rest := o.Size - a.Offset; a.Length == 0 || a.Length > rest {
		return rest, nil
	}
	return a.Length, nil
}

func (m *memory) Head(ctx context.Context, key string) (Object, error) {
	body, o, err := m.Get(ctx, key, Ask{})
	if err != nil {
		return Object{}, err
	}
	return o, body.Close()
}

func (m *memory) List(ctx context.Context, prefix string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		if err := ctx.Err(); err != nil {
			yield(Object{}, err)
			return
		}
		m.mu.Lock()
		objects := maps.Clone(m.objects)
		m.mu.Unlock()
		for _, key := range slices.Sorted(maps.Keys(objects)) {
			if strings.HasPrefix(key, prefix) && !yield(objects[key].Object, nil) {
				return
			}
		}
	}
}

func (m *memory) Remove(ctx context.Context, key string) error {
	if err := cmp.Or(ctx.Err(), CheckKey(key)); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.objects, key)
	return nil
}
