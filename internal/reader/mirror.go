package reader

import (
	"context"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/cargotoml"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

// A Mirror is a mirror to serve: a [View], or a wrapper that embeds one and overrides some
// methods (packages pull and gate). Servers (packages registry, pages, gitweb) do not know
// which wrappers there are. All methods may be called concurrently.
type Mirror interface {
	Lines
	Files
	Earlier
	// Search returns a page of the names for a query, the best match first, and the total
	// number.
	Search(query string, offset, limit int) (names []string, total int)
	// Holds reports whether a crate with that name in any case exists. It is cheap.
	Holds(name string) bool
	// About returns the author's metadata of a version, cut to some KB; it is untrusted. It
	// may be slow. Errors: those of Files.OpenBytes.
	About(ctx context.Context, key crate.Key) (cargotoml.Package, error)
	// Totals and Run are called about once per second.
	Totals() Totals
	// Run returns the current run, or else the last one; false if none is known.
	Run() (runstate.State, bool)
}

// Lines are the current lines of the index.
type Lines interface {
	// Crate returns a crate by its name in any case, with at least one entry. The caller
	// may keep the result; it does not change. Errors: fs.ErrNotExist; [Refusal].
	Crate(ctx context.Context, name string) (*Crate, error)
	// Generation grows whenever the results of Crate may have changed.
	Generation() uint64
}

// Files are crate files.
type Files interface {
	// Find returns which bytes Open would open. It opens, downloads and rebuilds nothing,
	// so that a wrapper can judge the version first. Errors: those of Open, except those
	// about bytes.
	Find(ctx context.Context, id crate.ID) (crate.Key, error)
	// Open opens the crate file of a version. The name may have another case, or "-" for
	// "_". Errors: fs.ErrNotExist; [*DamagedError]; [Refusal].
	Open(ctx context.Context, id crate.ID) (*File, error)
	// OpenBytes opens bytes that a version has or had. Errors: those of Open.
	OpenBytes(ctx context.Context, key crate.Key) (*File, error)
}

// Earlier is the index of the past.
type Earlier interface {
	// Days returns the recorded days, the oldest first.
	Days(ctx context.Context) ([]index.Day, error)
	// At returns the commit of a day, or of the id of a commit. Errors: fs.ErrNotExist;
	// index.ErrNoPast.
	At(ctx context.Context, point string) (Past, error)
	// CrateAt does what Lines.Crate does, for a commit given by its full id.
	CrateAt(ctx context.Context, commit, name string) (*Crate, error)
	// History returns a part of a crate's past. Errors: fs.ErrNotExist; index.ErrNoPast;
	// [ErrBusy].
	History(ctx context.Context, name, until string) (*History, error)
}

var _ Mirror = (*View)(nil)
