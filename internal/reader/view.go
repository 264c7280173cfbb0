// Package reader is a mirror as its readers see it, while others may be writing it: what
// the registry and the pages build on. It speaks no HTTP and writes nothing.
//
// # What is shown
//
// The lines of the index, byte for byte, of those versions that can be given
// out: the catalog says that the mirror holds the version, and the checksum in
// the line is that of the bytes it holds. So a partial mirror resolves only to
// what it has, and a line that changed its checksum is not believed: a
// version's bytes never change. What the index does not name is not shown,
// though its bytes are kept.
//
// The past of the index ([View.Days], [View.At], [View.CrateAt]) is shown in the same
// way, but for this: a line of then is shown, too, if others have taken the place of
// its bytes since, which are kept.
//
// # How it keeps up
//
// Nothing is locked and nothing is written. Once a second the view looks for
// commits of the catalog and of the index:
//
//   - The catalog is read as it is, by catalog.Follower; a run records a crate
//     only after its bytes are durable, so what is shown can be read.
//   - The index is read at one commit. When HEAD names another one, that is
//     opened beside the old one, which is closed when its last reader is done.
//
// [View.Generation] grows after each such change. Who reads the generation first
// and a crate then may keep what was made of it until the generation has grown.
//
// # What is trusted
//
// The bytes of a tiny crate are hashed whenever they are asked for. Those of a larger one
// are hashed when they are first asked for, after that whenever the file they are in has
// changed ([durable.State]), and every ten minutes at least: a disk that loses bytes does
// not report it. In between they are served as they are in the file, with the pieces that
// they consist of (package extent).
//
// # Memory
//
// The names of crates are held for [View.Search], some 60 bytes a name: 12 MB
// for 200,000. Everything else is bounded, and does not grow with the mirror.
package reader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

// Config of [Open].
type Config struct {
	Dirs home.Dirs // of the mirror; those of bundles and of the deep archive need not be there
	// Limits of what reading crates costs. Its Log does not count.
	Limits home.Limits
	// All shows lines whose crate is not held, too, and those whose checksum is
	// not that of the bytes held.
	All bool
	// Log gets what the operator should know. If nil, it is dropped.
	Log *slog.Logger
	// Interval is the time between two looks for changes. If 0, a second.
	Interval time.Duration
}

// View is an open mirror. Its methods may be called concurrently.
type View struct {
	cfg     Config
	catalog *catalog.Follower
	index   *indexes
	copies  *copies
	about   *Abouts
	past    *past
	rows    *rows

	generation atomic.Uint64
	names      atomic.Pointer[names]
	held       atomic.Pointer[catalog.Totals]
	empty      atomic.Pointer[string] // why nothing is shown; nil: not known yet

	stop    context.CancelFunc
	working sync.WaitGroup // what Open has started
}

// Open opens a mirror. The catalog and the bundles may come later; the index
// must be there. Errors: fs.ErrNotExist if the mirror's folder or the index is
// not there; those of catalog.Open and index.Open.
func Open(ctx context.Context, cfg Config) (*View, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Interval == 0 {
		cfg.Interval = time.Second
	}
	v := &View{cfg: cfg, rows: newRows()}
	v.about = NewAbouts(v.OpenBytes, cfg.Log)
	v.names.Store(&names{})
	// The view outlives the call that opens it.
	life, stop := context.WithCancel(context.WithoutCancel(ctx))
	v.stop = stop
	if err := v.open(ctx); err != nil {
		return nil, errors.Join(err, v.Close())
	}
	v.start(life)
	return v, nil
}

func (v *View) open(ctx context.Context) (err error) {
	if v.copies, err = openCopies(v.cfg); err != nil {
		return fmt.Errorf("opening the mirror: %w", err)
	}
	if v.catalog, err = catalog.Follow(ctx, v.cfg.Dirs.Catalog()); err != nil {
		return err
	}
	if v.index, err = openIndexes(ctx, v.cfg.Dirs.Index, v.cfg.Log); err != nil {
		return err
	}
	v.past = newPast(v.index.now.lookup.Readers())
	return nil
}

// Close closes the view. Calls of its methods must have returned; open files
// stay usable.
func (v *View) Close() error {
	v.stop()
	v.working.Wait()
	var errs []error
	if v.index != nil {
		errs = append(errs, v.index.close())
	}
	if v.catalog != nil {
		errs = append(errs, v.catalog.Close())
	}
	if v.copies != nil {
		errs = append(errs, v.copies.close())
	}
	return errors.Join(errs...)
}

// Generation returns a number that has grown whenever something that Crate could show may
// have changed: a commit of the catalog or of the index. With an index in a plain folder
// it grows all the time, since changes cannot be seen.
func (v *View) Generation() uint64 { return v.generation.Load() }

// Totals is how much is held, and what index is shown.
type Totals struct {
	Crates, Versions, Bytes int64     // 0 until they were counted first
	Counted                 bool      // they were
	Removed                 int64     // of Versions: the index does not name them any more
	Superseded              int64     // of Versions: bytes of before they were published again
	Unsettled               int       // files in quarantine that a person has not looked at
	Empty                   string    // why nothing is shown, for people; empty: something is, or it is not known yet
	Commit                  string    // of the index; empty: a plain folder
	CommitTime              time.Time // of the index; zero: unknown
}

// Totals returns what was counted last. It costs a look at
// the folder of the quarantine.
func (v *View) Totals() Totals {
	var t Totals
	t.Commit, t.CommitTime = v.index.revision()
	if held := v.held.Load(); held != nil {
		t.Crates, t.Versions, t.Bytes, t.Counted = held.Crates, held.Versions, held.Bytes, true
		t.Removed, t.Superseded = held.Removed, held.Superseded
	}
	t.Unsettled = v.copies.quarantine.unsettled(v.copies.stores)
	if why := v.empty.Load(); why != nil {
		t.Empty = *why
	}
	return t
}

// Run returns where the run in progress stands, or the last one; false: none is
// known.
func (v *View) Run() (runstate.State, bool) {
	state, err := durable.Open(v.cfg.Dirs.State())
	if err != nil {
		return runstate.State{}, false
	}
	defer state.Close()
	s, err := runstate.Read(state)
	return s, err == nil
}

// rowsOf returns what the catalog says of a crate, nothing if there is no catalog.
func (v *View) rowsOf(ctx context.Context, name string) (rows []catalog.Version, err error) {
	err = v.catalog.Read(ctx, func(c *catalog.Catalog) (err error) {
		rows, err = c.Versions(ctx, name)
		return err
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return rows, err
}

// notHeld is the error for a version that the mirror does not hold.
func notHeld(id crate.ID) error {
	return fmt.Errorf("%s is not held by this mirror: %w", id, fs.ErrNotExist)
}
