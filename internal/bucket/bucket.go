// Package bucket is the seam between this program and object stores: S3, folders that
// several machines share, memory for tests.
//
// A [Bucket] holds objects under keys. An object is whole or not there: it appears with
// all its bytes and is replaced in one step. Three things are asked of every bucket, and
// everything above relies on them; [Probe] finds providers that do not keep them:
//
//   - Of many who create one key at the same time, one succeeds ([Absent]).
//   - Of many who replace one state of an object, one succeeds ([Unchanged]).
//   - Bytes that do not have the checksum of the [Body] are refused and not stored.
//
// A bucket cannot append, rename or link, so it is no durable.FS and none is made of it.
// What a method returned without an error for is as durable as the provider promises.
//
// An answer that is lost leaves open what became of the request. Implementations resolve
// that by reading back: if the object has the bytes of the request, it was put. Who needs
// to know that it was put by them, puts bytes that only they could have (a random word in
// a lease).
package bucket

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Tag identifies one state of an object, S3's ETag. It is opaque, never a hash of the
// bytes, and may be the same again when the bytes are.
type Tag string

// Object describes an object.
type Object struct {
	Key      string
	Size     int64 // bytes of the whole object, also where a part was asked for
	Tag      Tag
	Modified time.Time
}

// Body is what is put.
type Body struct {
	Data     io.ReaderAt // read several times where a request is repeated
	Size     int64
	Checksum crate.Checksum // of all of it
	// What a web server in front of the bucket is to say. Empty: the provider's default.
	ContentType, CacheControl string
}

// Bytes is data to be put.
func Bytes(data []byte) Body {
	return Body{Data: bytes.NewReader(data), Size: int64(len(data)), Checksum: sha256.Sum256(data)}
}

// Condition says what must be under a key for a Put to take place.
type Condition struct {
	absent bool
	tag    Tag
}

// Absent: nothing.
func Absent() Condition { return Condition{absent: true} }

// Unchanged: the object in the state of this tag.
func Unchanged(tag Tag) Condition { return Condition{tag: tag} }

// Always: anything or nothing.
func Always() Condition { return Condition{} }

// IsAbsent reports whether the condition is Absent. It is for implementations, as Tag is.
func (c Condition) IsAbsent() bool { return c.absent }

// Tag is that of Unchanged, or "".
func (c Condition) Tag() Tag { return c.tag }

// Ask is what is wanted of an object. Its zero value asks for all of it.
type Ask struct {
	Offset int64
	Length int64 // 0: to the end. A range beyond the end is cut.
	Unless Tag   // ErrNotModified if the object is still in this state
	Same   Tag   // ErrChanged if it is in another one
}

// Reader is the reading half of a Bucket. Its methods may be called concurrently.
type Reader interface {
	// Get returns bytes of an object. The body fails with io.ErrUnexpectedEOF if it ends
	// early, and must be closed. Errors: fs.ErrNotExist, ErrNotModified, ErrChanged,
	// ErrRange.
	Get(ctx context.Context, key string, ask Ask) (io.ReadCloser, Object, error)
	// Head describes an object. Errors: fs.ErrNotExist.
	Head(ctx context.Context, key string) (Object, error)
	// List yields the objects whose keys begin with prefix, ascending by key. After an
	// error it ends. What is put or removed meanwhile may be missing or there.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
	// String is the address of the bucket, without credentials.
	String() string
}

// Bucket is an object store. Its methods may be called concurrently. A transient error is
// tried again inside, so what is returned is worth telling.
type Bucket interface {
	Reader
	// Put stores an object in one step. Errors: ErrExists (when Absent), ErrChanged (when
	// Unchanged, also if there is no object any more), *RefusedError; after any other one
	// the object may be there.
	Put(ctx context.Context, key string, body Body, when Condition) (Tag, error)
	// Upload stores an object of any size unless one is there, in parts; those that an
	// earlier call stored are not sent again. If the same bytes are there it succeeds. Each
	// part is proved to the provider; that together they are Body.Checksum only reading them
	// back proves. Errors: ErrExists (other bytes are there), *RefusedError; after any other
	// one the object may be there.
	Upload(ctx context.Context, key string, body Body, parts Parts) (Tag, error)
	// Remove removes an object; one that is not there is success.
	Remove(ctx context.Context, key string) error
}

// Parts remembers the upload of one object that is under way, so that it can be resumed:
// some kilobytes that only the bucket understands. If nil, nothing is remembered.
type Parts interface {
	// Load returns what was saved last, or nil.
	Load() ([]byte, error)
	// Save replaces it durably, and forgets it if state is nil.
	Save(state []byte) error
}

// Errors that code decides on.
var (
	// ErrExists: an object is there already.
	ErrExists = errors.New("object exists already")
	// ErrChanged: the object is not in the state that was asked for.
	ErrChanged = errors.New("object has changed meanwhile")
	// ErrNotModified: the object is still in the state of Ask.Unless.
	ErrNotModified = errors.New("object is unchanged")
	// ErrRange: Ask.Offset is beyond the end.
	ErrRange = errors.New("offset lies beyond the end of the object")
	// ErrTooLarge: an object has more than its reader takes.
	ErrTooLarge = errors.New("object is too large")
)

// A RefusedError says that bytes were refused, and not stored, because they do not have
// the checksum that they were announced with.
type RefusedError struct {
	Key  string
	Want crate.Checksum
	Err  error // what the provider said, if it did
}

func (e *RefusedError) Error() string {
	text := fmt.Sprintf("storing %q: its bytes are not those with the checksum %s", e.Key, e.Want)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *RefusedError) Unwrap() error { return e.Err }

// ReadAll returns what is asked for, at most limit bytes. Errors: those of Get, and
// ErrTooLarge.
func ReadAll(ctx context.Context, b Reader, key string, ask Ask, limit int64) (_ []byte, o Object, err error) {
	body, o, err := b.Get(ctx, key, ask)
	if err != nil {
		return nil, o, err
	}
	defer func() { err = errors.Join(err, body.Close()) }()
	if n, err := ask.Check(o); err != nil || n > limit {
		return nil, o, cmp.Or(err, tooLarge(key, limit))
	}
	data, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err != nil {
		return nil, o, fmt.Errorf("reading %q: %w", key, err)
	}
	if int64(len(data)) > limit {
		return nil, o, tooLarge(key, limit)
	}
	return data, o, nil
}

func tooLarge(key string, limit int64) error {
	return fmt.Errorf("reading %q: %w: more than %d bytes", key, ErrTooLarge, limit)
}
