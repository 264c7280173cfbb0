// Package store is the contract of the places that keep crate files: loose
// files, bundles, the deep archive. The packages below it implement the
// contract, package storetest checks that they do.
//
// To add another:
//
//  1. Say in [Placement] where in it a crate is, and in Places how it compares in
//     cost; With and String follow.
//  2. Add the columns to package catalog: a format, and how one of before becomes it.
//  3. Write internal/store/x: Open and Holds for its own places, everything else by
//     the store behind, which it embeds. Its Content says by Identity which bytes
//     they are; what costs time or a connection ends with its context, and is
//     refused with [BusyError] when too much waits.
//  4. Run storetest.Run and storetest.Reader on it.
//  5. Open it in home.Stores (readers) and home.Writer. Nothing above knows of it.
//
// A store never sees bytes that were not verified: callers hash first. What it
// promises in return is the order of things. Put takes bytes; nothing shows
// under a final name, and nothing may be recorded, before the Checkpoint that
// covers it has made them durable. A kill or power cut in between costs the
// crates since the last Checkpoint and nothing else.
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

// ErrUnusable: the store cannot take anything at all, so that no other crate
// will fare better.
var ErrUnusable = errors.New("the store cannot be written to")

// Body is the verified bytes of a crate: Data, or Spill where it is not nil.
// Size is their number; a store refuses a body of any other.
type Body struct {
	Data  []byte
	Spill Spill // made by NewSpill of the same store
	Size  int64
	// Checksum is what the bytes were proved to have, if a store may go by that: after
	// a kill it finds what it was given, and need not be given it again. Zero: unknown.
	Checksum crate.Checksum
	Has      Placement // where the store has the crate already; it need not be put there again
}

// Placement is where a crate is stored. The zero Placement is nowhere.
type Placement struct {
	Loose bool // as a file: under its LoosePath, or
	// under this key in republished/ (crate.ID.RepublishedPath), because other
	// bytes are the version's.
	Republished string
	Bundle      string // in the bundle of this name; empty: in none
	// Where in the bundle its frame is, in bytes.
	Offset, FrameSize int64

	Deep DeepPlace
}

// DeepPlace is where in the deep archive a crate can be rebuilt from. The zero
// DeepPlace is nowhere.
type DeepPlace struct {
	Segment  string // the file's name; empty: in none
	Pack     int64  // offset of its pack in the segment, in bytes
	PackSize int64  // of the pack, in bytes
	Number   int    // of the version in the pack, from 0
}

// LoosePath is the slash-separated path of the loose file of id, if there is one.
func (at Placement) LoosePath(id crate.ID) string {
	if at.Republished != "" {
		return id.RepublishedPath(at.Republished)
	}
	return id.LoosePath()
}

// AsFile is the part of a placement that is a loose file, InBundle that in a
// bundle, InDeep that in the deep archive.
func (at Placement) AsFile() Placement {
	return Placement{Loose: at.Loose, Republished: at.Republished}
}

// InBundle is described with AsFile.
func (at Placement) InBundle() Placement {
	return Placement{Bundle: at.Bundle, Offset: at.Offset, FrameSize: at.FrameSize}
}

// InDeep is described with AsFile.
func (at Placement) InDeep() Placement { return Placement{Deep: at.Deep} }

// IsZero reports whether it is nowhere.
func (at Placement) IsZero() bool { return at == Placement{} }

// Places are the parts of a placement, the one that is read at the least cost first.
func (at Placement) Places() (parts []Placement) {
	for _, part := range []Placement{at.AsFile(), at.InBundle(), at.InDeep()} {
		if !part.IsZero() {
			parts = append(parts, part)
		}
	}
	return parts
}

// With is a placement with the parts of another added, or put in the place of its
// own.
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

// WithoutFile is a placement but for its loose file.
func (at Placement) WithoutFile() Placement {
	at.Loose, at.Republished = false, ""
	return at
}

// WithoutBundle is a placement but for its bundle.
func (at Placement) WithoutBundle() Placement { return at.AsFile().With(at.InDeep()) }

// String says where a crate is for people.
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

// Moved is where the loose file of bytes is as well as at, for an instant or after
// a kill: a run moves it between its two paths before it records that.
func (at Placement) Moved(sum crate.Checksum) Placement {
	if at.Republished != "" {
		return Placement{Loose: true}
	}
	return Placement{Loose: true, Republished: sum.FileKey()}
}

// Spill is a temporary file for a body that is too large to be held in memory.
type Spill interface {
	io.Writer
	io.ReaderAt
	Reset() error   // empties it for another attempt
	Discard() error // gives it up; after Put it does nothing
}

// Sharer is a Spill that can be a file of elsewhere without its bytes being copied.
// Both methods are for a spill that has nothing yet, and fail with
// errors.ErrUnsupported where only a copy can be had; then it still has nothing and
// can be written to.
type Sharer interface {
	Spill
	// Clone makes it share what f has now, and returns how much that is: what f becomes
	// later does not show.
	Clone(f durable.File) (size int64, err error)
	// Link makes it f itself, of size bytes: what is written to f from then on changes
	// what is stored.
	Link(f durable.File, size int64) error
}

// Writer takes crates. Its methods may be called concurrently.
type Writer interface {
	NewSpill() (Spill, error)
	// Put takes the verified bytes of id and says where they will be. It keeps
	// nothing of body.Data, and owns body.Spill from then on, also when it
	// fails.
	Put(ctx context.Context, id crate.ID, body Body) (Placement, error)
	// Adopt takes up a crate that stands loose in its place already and was
	// found to be right by hashing it: who wrote it may not have synced it.
	Adopt(id crate.ID)
	// Checkpoint makes durable, and visible in their place, everything that was
	// Put or adopted before the call. An error means that nothing is known of any of it;
	// the store must not be used any more.
	Checkpoint(ctx context.Context) (Outcome, error)
}

// Outcome is what a Checkpoint has to tell.
type Outcome struct {
	Refused  []Refusal // crates that could not get their name: something else stands there
	Finished []Bundle  // bundles that were finished and have their final name
}

// Bundle is a finished bundle. It never changes.
type Bundle struct {
	Name     string
	Entries  int            // crates in it
	Bytes    int64          // of all crates together
	Checksum crate.Checksum // of the bundle
}

// Finisher is a Writer that has something to bring to an end when all is put.
type Finisher interface {
	// Finish is the last Checkpoint of a run that has done what it should.
	Finish(ctx context.Context) (Outcome, error)
}

// Refusal says why one crate could not be stored. The others were.
type Refusal struct {
	ID  crate.ID
	Err error
}

// Reader gives crates back. Its methods may be called concurrently.
type Reader interface {
	// Stat returns the size in bytes of the loose file under id's name. Errors:
	// fs.ErrNotExist; durable.ErrNotRegular for a folder, link or device.
	Stat(id crate.ID) (int64, error)
	// Open opens the bytes of key where at says that they are: of several places, in the
	// bundle, then the loose file, then the deep archive. A caller who does not know the
	// checksum leaves it zero, which will do for all places but the last. The content is
	// unverified: callers must check the hash. Errors as Stat, and whatever is wrong with a
	// bundle or segment; the context's.
	Open(ctx context.Context, key crate.Key, at Placement) (Content, error)
}

// Remover removes loose files whose crates are also stored elsewhere.
type Remover interface {
	// RemoveLoose removes the loose files of ids, durably. One that is not there
	// is success.
	RemoveLoose(ids []crate.ID) error
}

// Republisher moves loose files of versions that were published again.
type Republisher interface {
	// MakeWay moves the loose file under key's name, whose bytes the caller has
	// hashed to key's checksum, to republished/, durably. Errors: fs.ErrExist if
	// other bytes are there.
	MakeWay(key crate.Key) error
	// TakePlace is the inverse: fs.ErrExist if there is a file under key's name.
	TakePlace(key crate.Key) error
	// Keep takes the verified bytes of key, which are not those that the version
	// has now, as Put does; they come under their name in republished/.
	Keep(key crate.Key, body Body) error
	// Republished lists what is in republished/, in any order. An error ends it.
	Republished() iter.Seq2[RepublishedFile, error]
	// AdoptKept is Adopt for a file in republished/.
	AdoptKept(key crate.Key)
}

// Store is everything that a mirror needs of a place that keeps crates.
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
	File string   // its slash-separated path
	ID   crate.ID // whose earlier bytes it is by its name; zero: the name cannot be parsed
	Key  string   // the first half of their checksum, as crate.Checksum.FileKey has it
}

// At is its placement.
func (f *RepublishedFile) At() Placement { return Placement{Loose: true, Republished: f.Key} }

// Listing answers Stat for many crates in the order of an index, cheaper than
// one by one, from what was there when it was made or some time after. It is
// for one goroutine.
type Listing interface {
	Stat(id crate.ID) (int64, error)
	// Holds reports whether size bytes of id are where at says, as far as that
	// can be seen without reading them.
	Holds(id crate.ID, at Placement, size int64) bool
}

// Lister makes listings.
type Lister interface {
	// NewListing begins one. A folder that cannot be listed is an error, not an empty one,
	// so that callers do not take its files for lost.
	NewListing() (Listing, error)
}

// Content is an open crate file.
type Content interface {
	io.ReadSeekCloser
	io.ReaderAt
	Size() int64
	// Identity tells these bytes from those that may be stored in their place
	// later.
	Identity() (Identity, error)
}

// Identity is which stored bytes were read: as long as it is the same, they need
// not be hashed again. Identities are compared with ==. The zero Identity says
// nothing; such bytes were made for this Content.
type Identity struct {
	In     string        // name of the bundle, of an object and its version; empty: a file of its own
	State  durable.State // of the file; zero: it can never change
	Offset int64         // in the file
}

// A Stater is a folder that knows the states of files without opening them. It follows
// links to folders, and so its answers are for comparing alone.
type Stater interface {
	StateAt(name string) (durable.State, error)
}

// Settled reports whether a change of the bytes that comes after now will show in
// their Identity.
func (i Identity) Settled(now time.Time) bool { return i.State.Settled(now) }

// InMemory is the content of bytes that were made for one caller.
func InMemory(data []byte) Content { return memory{bytes.NewReader(data)} }

type memory struct{ *bytes.Reader }

func (memory) Identity() (Identity, error) { return Identity{}, nil }

func (memory) Close() error { return nil }

// InFile is the content of a file by itself, open and in the state that it was found
// in; in tells it from files of other folders.
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
