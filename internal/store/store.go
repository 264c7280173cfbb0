// Package store is the contract of the places that keep crate files: loose
// files today, bundles and S3 objects beside them. The packages below it
// implement the contract, package storetest checks that they do.
//
// A store never sees bytes that were not verified: callers hash first. What it
// promises in return is the order of things. Put takes bytes; nothing shows
// under a final name, and nothing may be recorded, before the Checkpoint that
// covers it has made them durable. A kill or power cut in between costs the
// crates since the last Checkpoint and nothing else.
package store

import (
	"context"
	"errors"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// ErrUnusable: the store cannot take anything at all, so that no other crate
// will fare better.
var ErrUnusable = errors.New("the store cannot be written to")

// Body is the verified bytes of a crate: Data, or Spill where it is not nil.
// Size is their number; a store refuses a body of any other.
type Body struct {
	Data  []byte
	Spill Spill // made by NewSpill of the same store
	Size  int64
}

// Spill is a temporary file for a body that is too large to be held in memory.
type Spill interface {
	io.Writer
	Reset() error   // empties it for another attempt
	Discard() error // gives it up; after Put it does nothing
}

// Writer takes crates. Its methods may be called concurrently.
type Writer interface {
	NewSpill() (Spill, error)
	// Put takes the verified bytes of id. It keeps nothing of body.Data, and
	// owns body.Spill from then on, also when it fails.
	Put(ctx context.Context, id crate.ID, body Body) error
	// Adopt takes up a crate that stands in its place already and was found to
	// be right by hashing it: who wrote it may not have synced it.
	Adopt(id crate.ID)
	// Checkpoint makes durable, and visible under its final name, everything
	// that was Put or adopted before the call, and reports the crates that could not get
	// their name: what stands there is something else. An error means that
	// nothing is known of any of them; the store must not be used any more.
	Checkpoint(ctx context.Context) ([]Refusal, error)
}

// Refusal says why one crate could not be stored. The others were.
type Refusal struct {
	ID  crate.ID
	Err error
}

// Reader gives crates back. Its methods may be called concurrently.
type Reader interface {
	// Stat returns the size in bytes of what stands under id's name. Errors:
	// fs.ErrNotExist; durable.ErrNotRegular for a folder, link or device.
	Stat(id crate.ID) (int64, error)
	// Open opens what stands under id's name. Nothing vouches for its bytes but
	// their hash. Errors as Stat.
	Open(id crate.ID) (Content, error)
}

// Listing answers Stat for many crates in the order of an index, cheaper than
// one by one, from what was there when it was made or some time after. It is
// for one goroutine.
type Listing interface {
	Stat(id crate.ID) (int64, error)
}

// Lister makes listings.
type Lister interface {
	NewListing() Listing
}

// Content is an open crate file.
type Content interface {
	io.ReadSeekCloser
	io.ReaderAt
	Size() int64
}

// Quarantiner sets aside what must not be served but must not be lost either.
type Quarantiner interface {
	// Quarantine moves what stands under id's name into quarantine, durably,
	// with a note of the reason, and returns where it is now.
	Quarantine(id crate.ID, reason string) (path string, err error)
	// Isolate puts bytes that came for id into quarantine, durably: all of
	// them, or the beginning. They are known by sum, the checksum of all, and
	// kept once. It owns body.Spill from then on.
	Isolate(id crate.ID, sum crate.Checksum, reason string, body Body) (path string, err error)
	// Quarantined counts the files in quarantine.
	Quarantined() (int, error)
}
