// Package store defines the contract of stores, which keep crate files: loose files,
// bundles, the deep archive. The packages below it implement the contract; package
// storetest checks them.
//
// To add a store:
//
//  1. Say in [Placement] where a crate is in it, and in Places how it compares in
//     cost; extend With and String.
//  2. Add the columns to package catalog: a format, and the upgrade of older ones.
//  3. Write internal/store/x: Open and Holds for its own places; everything else uses
//     the store behind, which it embeds. The Identity of its Content identifies the
//     bytes. Work that costs time or a connection ends with its context, and is
//     refused with [BusyError] if too much waits.
//  4. Test it with storetest.Run and storetest.Reader.
//  5. Open it in home.Stores (readers) and home.Writer. Higher packages do not change.
//
// A store only receives verified bytes: callers hash first. In return it guarantees an
// order. Put accepts bytes, but nothing appears under a final name, and nothing may be
// recorded, before the next Checkpoint has made the bytes durable. A kill or power failure
// in between costs only the crates since the last Checkpoint.
package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extent"
)

// ErrUnusable means that the store cannot accept anything at all, so that other crates will
// fail too.
var ErrUnusable = errors.New("the store cannot be written to")

// Body is the verified bytes of a crate: Data, or Spill if that is not nil. Size is their
// number; a store rejects a body of another size.
type Body struct {
	Data  []byte
	Spill Spill // made by NewSpill of the same store
	Size  int64
	// Checksum is the verified checksum, if a store may rely on it: after a kill it finds
	// what it received, and need not receive it again. Zero: unknown.
	Checksum crate.Checksum
	Has      Placement // where the store already has the crate; it need not be stored there again
}

// Placement is where a crate is stored. The zero Placement is nowhere.
type Placement struct {
	Loose bool // as a file: under its LoosePath, or
	// under this key in republished/ (crate.ID.RepublishedPath), because the version has
	// other bytes now.
	Republished string
	Bundle      string // in the bundle with this name; empty: in none
	// Position of its frame in the bundle, in bytes.
	Offset, FrameSize int64

	Deep DeepPlace
}

// DeepPlace is the position in the deep archive from which a crate can be rebuilt. The zero
// DeepPlace is nowhere.
type DeepPlace struct {
	Segment  string // name of the file; empty: in none
	Pack     int64  // offset of its pack in the segment, in bytes
	PackSize int64  // of the pack, in bytes
	Number   int    // of the version in the pack, from 0
}

// LoosePath returns the slash-separated path of the loose file of id, if there is one.
func (at Placement) LoosePath(id crate.ID) string {
	if at.Republished != "" {
		return id.RepublishedPath(at.Republished)
	}
	return id.LoosePath()
}

// AsFile returns the part of a placement that is a loose file.
func (at Placement) AsFile() Placement {
	return Placement{Loose: at.Loose, Republished: at.Republished}
}

// InBundle returns the part of a placement that is in a bundle.
func (at Placement) InBundle() Placement {
	return Placement{Bundle: at.Bundle, Offset: at.Offset, FrameSize: at.FrameSize}
}

// InDeep returns the part of a placement that is in the deep archive.
func (at Placement) InDeep() Placement { return Placement{Deep: at.Deep} }

// IsZero reports whether the placement is nowhere.
func (at Placement) IsZero() bool { return at == Placement{} }

// Places returns the parts of a placement, the cheapest to read first.
func (at Placement) Places() (parts []Placement) {
	for _, part := range []Placement{at.AsFile(), at.InBundle(), at.InDeep()} {
		if !part.IsZero() {
			parts = append(parts, part)
		}
	}
	return parts
}

// With returns a placement with the parts of another one added; they replace its own.
func (at Placement) With(parts Placement) Placement {
	if parts.Loose {
		at.Loose, at.Republished = true, parts.Republished
	}
	if parts.Bundle != "" {
		at.Bundle, at.Offset, at.FrameSize = parts.Bundle, parts.Offset, parts.FrameSize
	}
	if parts.Deep.Segment != "" {
		at.Deep = parts.Deep
	}
	return at
}

// WithoutFile returns a placement without its loose file.
func (at Placement) WithoutFile() Placement {
	at.Loose, at.Republished = false, ""
	return at
}

// WithoutBundle returns a placement without its bundle.
func (at Placement) WithoutBundle() Placement { return at.AsFile().With(at.InDeep()) }

// String describes the placement for people.
func (at Placement) String() string {
	var places []string
	if at.Loose {
		places = append(places, "loose file")
	}
	if at.Bundle != "" {
		places = append(places, fmt.Sprintf("%s at offset %d", at.Bundle, at.Offset))
	}
	if at.Deep.Segment != "" {
		places = append(places, fmt.Sprintf("%s, pack at offset %d, number %d", at.Deep.Segment, at.Deep.Pack, at.Deep.Number))
	}
	return strings.Join(places, " and ")
}

// Moved returns the other path of a loose file, where it may be besides at, for an instant
// or after a kill: a run moves it between its two paths before it records that.
func (at Placement) Moved(sum crate.Checksum) Placement {
	if at.Republished != "" {
		return Placement{Loose: true}
	}
	return Placement{Loose: true, Republished: sum.FileKey()}
}

// Spill is a temporary file for a body that is too large for memory.
type Spill interface {
	io.Writer
	io.ReaderAt
	Reset() error   // empties it for another attempt
	Discard() error // removes it; after Put it does nothing
}

// Sharer is a Spill that can share the bytes of a file elsewhere instead of copying them.
// Both methods require an empty spill, and fail with errors.ErrUnsupported if only a copy
// is possible; then the spill is still empty and can be written to.
type Sharer interface {
	Spill
	// Clone makes the spill share the current content of f, and returns its size. Later
	// changes of f have no effect.
	Clone(f durable.File) (size int64, err error)
	// Link makes the spill f itself, of size bytes: later writes to f change what is
	// stored.
	Link(f durable.File, size int64) error
}

// Writer accepts crates. Its methods may be called concurrently.
type Writer interface {
	NewSpill() (Spill, error)
	// Put accepts the verified bytes of id and returns where they will be. It does not keep
	// body.Data. It takes ownership of body.Spill, even if it fails.
	Put(ctx context.Context, id crate.ID, body Body) (Placement, error)
	// Adopt accepts a crate that is already in place as a loose file, and that the caller
	// has hashed: its writer may not have synced it.
	Adopt(id crate.ID)
	// Checkpoint makes durable, and visible in its place, everything that was Put or
	// adopted before the call. After an error, the state of all that is unknown, and the
	// store must not be used any more.
	Checkpoint(ctx context.Context) (Outcome, error)
}

// Outcome is the result of a Checkpoint.
type Outcome struct {
	Refused  []Refusal // crates that could not get their name: something else has it
	Finished []Bundle  // bundles that were finished and have their final name
}

// Bundle is a finished bundle. It never changes.
type Bundle struct {
	Name     string
	Entries  int            // crates in it
	Bytes    int64          // of all crates together
	Checksum crate.Checksum // of the bundle
}

// Finisher is a Writer with something to finish after the last Put.
type Finisher interface {
	// Finish is the last Checkpoint of a successful run.
	Finish(ctx context.Context) (Outcome, error)
}

// Refusal says why one crate could not be stored. The others were stored.
type Refusal struct {
	ID  crate.ID
	Err error
}

// Reader reads crates. Its methods may be called concurrently.
type Reader interface {
	// Stat returns the size in bytes of the loose file under id's name. Errors:
	// fs.ErrNotExist; durable.ErrNotRegular for a folder, link or device.
	Stat(id crate.ID) (int64, error)
	// Open opens the bytes of key where at says that they are: of several places, the
	// bundle, then the loose file, then the deep archive. If the caller does not know the
	// checksum it is zero, which is enough for all places but the last. The content is
	// unverified: callers must check the hash. Errors: those of Stat, of bundles and
	// segments, and of ctx.
	Open(ctx context.Context, key crate.Key, at Placement) (Content, error)
}

// Remover removes loose files whose crates are also stored elsewhere.
type Remover interface {
	// RemoveLoose durably removes the loose files of ids. A missing file is not an error.
	RemoveLoose(ids []crate.ID) error
}

// Republisher moves loose files of versions that were published again.
type Republisher interface {
	// MakeWay durably moves the loose file under key's name to republished/; the caller has
	// checked that its bytes have key's checksum. Errors: fs.ErrExist if other bytes are
	// there.
	MakeWay(key crate.Key) error
	// TakePlace is the inverse. Errors: fs.ErrExist if there is a file under key's name.
	TakePlace(key crate.Key) error
	// Keep accepts the verified bytes of key, which are not the version's current bytes, as
	// Put does, for their name in republished/.
	Keep(key crate.Key, body Body) error
	// Republished yields the files in republished/, in any order. An error ends the
	// sequence.
	Republished() iter.Seq2[RepublishedFile, error]
	// AdoptKept is Adopt for a file in republished/.
	AdoptKept(key crate.Key)
}

// Store is everything that a mirror needs of a store.
type Store interface {
	Writer
	Reader
	Lister
	Quarantiner
	Remover
	Republisher
}

// RepublishedFile is a file in republished/. Its bytes are unverified.
type RepublishedFile struct {
	File string   // slash-separated path
	ID   crate.ID // the version whose earlier bytes it has, by its name; zero: the name cannot be parsed
	Key  string   // the first half of their checksum, as from crate.Checksum.FileKey
}

// At returns its placement.
func (f *RepublishedFile) At() Placement { return Placement{Loose: true, Republished: f.Key} }

// Listing answers Stat for many crates in the order of an index, at a lower cost than one
// by one, from the state when it was made or some time after. Only one goroutine may use
// it.
type Listing interface {
	Stat(id crate.ID) (int64, error)
	// Holds reports whether size bytes of id are where at says, as far as that is visible
	// without reading them.
	Holds(id crate.ID, at Placement, size int64) bool
}

// Lister makes listings.
type Lister interface {
	// NewListing begins a listing. A folder that cannot be listed is an error, so that
	// callers do not consider its files lost.
	NewListing() (Listing, error)
}

// Content is an open crate file.
type Content interface {
	io.ReadSeekCloser
	io.ReaderAt
	Size() int64
	// Identity distinguishes these bytes from those that may be stored in their place
	// later.
	Identity() (Identity, error)
}

// Identity identifies stored bytes: as long as it is the same, they need not be hashed
// again. Identities are compared with ==. The zero Identity says nothing; such bytes were
// made for this Content.
type Identity struct {
	In     string        // name of the bundle, or of an object and its version; empty: a separate file
	State  durable.State // of the file; zero: it can never change
	Offset int64         // in the file
}

// A Stater is a folder that returns the states of files without opening them. It follows
// links to folders, so its answers are only for comparison.
type Stater interface {
	StateAt(name string) (durable.State, error)
}

// Settled reports whether a change of the bytes after now will change their Identity.
func (i Identity) Settled(now time.Time) bool { return i.State.Settled(now) }

// InMemory returns bytes that were made for one caller as a Content.
func InMemory(data []byte) Content { return memory{bytes.NewReader(data)} }

type memory struct{ *bytes.Reader }

func (memory) Identity() (Identity, error) { return Identity{}, nil }

func (memory) Close() error { return nil }

// InFile returns an open file, in the state in which it was found, as a Content; in
// distinguishes it from files of other folders.
func InFile(f durable.File, in string, state durable.State) Content {
	return file{f, Identity{In: in, State: state}}
}

type file struct {
	durable.File
	is Identity
}

func (f file) Size() int64 { return f.is.State.Size }

// Extents implements extent.Laid.
func (f file) Extents() (extent.File, []extent.Extent) { return extent.Whole(f.File, f.Size()) }

func (f file) Identity() (Identity, error) { return f.is, nil }
