// Package bucket defines the interface to object stores: S3, folders that several machines
// share, and memory for tests.
//
// A [Bucket] stores objects under keys. Objects are created and replaced atomically, so a
// reader never sees a part of one. Every bucket must keep three promises, on which
// everything above relies; [Probe] finds providers that break them:
//
//   - Of many who create one key at the same time, one succeeds ([Absent]).
//   - Of many who replace one state of an object, one succeeds ([Unchanged]).
//   - Bytes that do not have the checksum of the [Body] are refused and not stored.
//
// A bucket cannot append, rename or link, so it cannot implement durable.FS. Once a method
// has returned without an error, its effect is as durable as the provider promises.
//
// If the answer to a request is lost, its outcome is unknown. Implementations read the
// object back: if it has the bytes of the request, the Put succeeded. A caller that must
// know that its own Put succeeded includes bytes that no other writer has (a random word in
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

// Tag identifies one state of an object, like S3's ETag. It is opaque, not a hash of the
// bytes. Objects with equal bytes may have equal tags.
type Tag string

// Object describes an object.
type Object struct {
	Key      string
	Size     int64 // size of the whole object in bytes, also when a range was requested
	Tag      Tag
	Modified time.Time
}

// Body is the content of an object to store.
type Body struct {
	Data     io.ReaderAt // read again when a request is repeated
	Size     int64
	Checksum crate.Checksum // of all bytes
	// Headers that a web server in front of the bucket sends. Empty: the provider's
	// default.
	ContentType, CacheControl string
}

// Bytes returns a Body of data.
func Bytes(data []byte) Body {
	return Body{Data: bytes.NewReader(data), Size: int64(len(data)), Checksum: sha256.Sum256(data)}
}

// Condition restricts a Put to one state of the object.
type Condition struct {
	absent bool
	tag    Tag
}

// Absent requires that there is no object.
func Absent() Condition { return Condition{absent: true} }

// Unchanged requires the object in the state of this tag.
func Unchanged(tag Tag) Condition { return Condition{tag: tag} }

// Always requires nothing.
func Always() Condition { return Condition{} }

// IsAbsent reports whether the condition is Absent. Implementations use it, and Tag.
func (c Condition) IsAbsent() bool { return c.absent }

// Tag returns the tag of Unchanged, or "".
func (c Condition) Tag() Tag { return c.tag }

// Ask selects what to read of an object. The zero Ask reads all of it.
type Ask struct {
	Offset int64
	Length int64 // in bytes; 0: to the end. A range beyond the end is shortened.
	Unless Tag   // ErrNotModified if the object is still in this state
	Same   Tag   // ErrChanged if it is in another one
}

// Reader is the reading half of a Bucket. Its methods may be called concurrently.
type Reader interface {
	// Get returns the bytes of an object. The body fails with io.ErrUnexpectedEOF if it
	// ends early, and must be closed. Errors: fs.ErrNotExist, ErrNotModified, ErrChanged,
	// ErrRange.
	Get(ctx context.Context, key string, ask Ask) (io.ReadCloser, Object, error)
	// Head describes an object. Errors: fs.ErrNotExist.
	Head(ctx context.Context, key string) (Object, error)
	// List yields the objects whose keys begin with prefix, in ascending order of keys. It
	// ends after an error. Objects put or removed meanwhile may or may not be listed.
	List(ctx context.Context, prefix string) iter.Seq2[Object, error]
	// String returns the address of the bucket, without credentials.
	String() string
}

// Bucket is an object store. Its methods may be called concurrently. They retry transient
// errors themselves, so an error that they return is worth reporting.
type Bucket interface {
	Reader
	// Put stores an object atomically. Errors: ErrExists (with Absent), ErrChanged (with
	// Unchanged, also if the object is gone), *RefusedError; after any other error the
	// object may or may not be stored.
	Put(ctx context.Context, key string, body Body, when Condition) (Tag, error)
	// Upload stores an object of any size, in parts, unless the key is taken. It does not
	// send parts again that an earlier call stored. If the object is already stored with
	// the same bytes, it succeeds. The provider verifies the checksum of each part; only
	// reading the object back proves that together they have Body.Checksum. Errors:
	// ErrExists (the object has other bytes), *RefusedError; after any other error the
	// object may or may not be stored.
	Upload(ctx context.Context, key string, body Body, parts Parts) (Tag, error)
	// Remove removes an object. Removing an absent object succeeds.
	Remove(ctx context.Context, key string) error
}

// Parts stores the state of one unfinished upload, so that it can be resumed: some
// kilobytes that only the bucket understands. If nil, uploads cannot be resumed.
type Parts interface {
	// Load returns the state that was saved last, or nil.
	Load() ([]byte, error)
	// Save durably replaces the state, or removes it if state is nil.
	Save(state []byte) error
}

// Errors that code decides on.
var (
	// ErrExists says that the object already exists.
	ErrExists = errors.New("object already exists")
	// ErrChanged says that the object is not in the required state.
	ErrChanged = errors.New("object has changed in the meantime")
	// ErrNotModified says that the object is still in the state of Ask.Unless.
	ErrNotModified = errors.New("object is unchanged")
	// ErrRange says that Ask.Offset is beyond the end of the object.
	ErrRange = errors.New("offset is beyond the end of the object")
	// ErrTooLarge says that an object exceeds its reader's limit.
	ErrTooLarge = errors.New("object is too large")
)

// A RefusedError says that the provider rejected bytes because they do not have the
// announced checksum. Nothing was stored.
type RefusedError struct {
	Key  string
	Want crate.Checksum
	Err  error // the provider's error, or nil
}

func (e *RefusedError) Error() string {
	text := fmt.Sprintf("storing %q: its bytes are not those with the checksum %s", e.Key, e.Want)
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text
}

func (e *RefusedError) Unwrap() error { return e.Err }

// ReadAll returns the bytes that ask requests, at most limit. Errors: those of Get, and
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
