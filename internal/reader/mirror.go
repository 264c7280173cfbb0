package reader

import (
	"context"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/cargotoml"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

// A Mirror is what is served: a [View], or a wrapper of one that embeds it and overrides
// some methods (packages pull and gate). Servers (packages registry, pages, gitweb) do not
// know which wrappers there are. All methods may be called concurrently.
type Mirror interface {
	Lines
	Files
	Earlier
	// Search returns the names for a query, the best match first, and how many there are
	// in all.
	Search(query string, offset, limit int) (names []string, total int)
	// Holds reports whether there is a crate by that name in any case. It is cheap.
	Holds(name string) bool
	// About returns what the author says of a version, cut to some KB; it is text of a
	// stranger. It may take its time. Errors: those of Files.OpenBytes.
	About(ctx context.Context, key crate.Key) (cargotoml.Package, error)
	// Totals and Run are asked about once a second.
	Totals() Totals
	// Run returns the run in progress or else the last one; false: none is known.
	Run() (runstate.State, bool)
}

// Lines are what the index says now.
type Lines interface {
	// Crate returns a crate by its name in any case, with one entry at least. What it
	// returns may be kept, and is not changed. Errors: fs.ErrNotExist; [Refusal].
	Crate(ctx context.Context, name string) (*Crate, error)
	// Generation grows whenever Crate may say something else.
	Generation() uint64
}

// Files are crate files.
type Files interface {
	// Find returns which bytes Open would open. Nothing is opened, fetched or rebuilt for
	// it, so that who is asked for a version can judge of it first. Errors: as Open, but
	// for those of the bytes.
	Find(ctx context.Context, id crate.ID) (crate.Key, error)
	// Open opens the crate file of a version. The name may have another case, or "-" for
	// "_". Errors: fs.ErrNotExist; [*DamagedError]; [Refusal].
	Open(ctx context.Context, id crate.ID) (*File, error)
	// OpenBytes opens bytes that a version has or had. Errors: as Open.
	OpenBytes(ctx context.Context, key crate.Key) (*File, error)
}

// Earlier is what the index said before.
type Earlier interface {
	// Days returns the days of the past that are kept, the oldest first.
	Days(ctx context.Context) ([]index.Day, error)
	// At finds the commit to which a day, or the id of a commit, leads. Errors:
	// fs.ErrNotExist; index.ErrNoPast.
	At(ctx context.Context, point string) (Past, error)
	// CrateAt is Lines.Crate of a commit, given by its full id.
	CrateAt(ctx context.Context, commit, name string) (*Crate, error)
	// History returns a piece of a crate's past. Errors: fs.ErrNotExist; index.ErrNoPast;
	// [ErrBusy].
	History(ctx context.Context, name, until string) (*History, error)
}

var _ Mirror = (*View)(nil)
