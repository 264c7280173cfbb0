// Package reader reads a mirror, while another process may write it. The registry and the
// pages build on it. It uses no HTTP and writes nothing.
//
// # What is shown
//
// It shows the lines of the index, byte for byte, of those versions that can be served: the
// catalog says that the mirror holds the version, and the checksum in the line is that of
// the held bytes. So builds with a partial mirror resolve only to what it has, and a line
// that changed its checksum is ignored: a version's bytes never change. Versions that the
// index does not name are not shown, although their bytes are kept.
//
// The past of the index ([View.Days], [View.At], [View.CrateAt]) is shown in the same way,
// except that an old line is also shown if other bytes have replaced its bytes since; the
// old ones are kept.
//
// # Changes
//
// Nothing is locked or written. Once per second the view looks for commits of the catalog
// and of the index:
//
//   - The catalog is read as it is, by catalog.Follower; a run records a crate
//     only after its bytes are durable, so what is shown can be read.
//   - The index is read at one commit. When HEAD names another one, it is
//     opened beside the old one, which is closed once its last reader is done.
//
// [View.Generation] grows after each such change. A caller that first reads the generation
// and then a crate may cache its results until the generation has grown.
//
// # Trust
//
// The bytes of a tiny crate are hashed at each request. Those of a larger one are hashed at
// the first request, then whenever their file has changed ([durable.State]), and at least
// every ten minutes, because a disk that loses bytes does not report it. In between they
// are served directly from the file, piece by piece (package extent).
//
// # Memory
//
// The names of crates are in memory for [View.Search], some 60 bytes each: 12 MB for
// 200,000. Everything else is bounded and does not grow with the mirror.
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

// Config configures [Open].
type Config struct {
	Dirs home.Dirs // of the mirror; the folders of bundles and of the deep archive need not exist
	// Limits bound the cost of reading crates. Its Log is ignored.
	Limits home.Limits
	// All also shows lines whose crate is not held, and those whose checksum is not that of
	// the held bytes.
	All bool
	// Log receives what the operator should know. If nil, nothing is logged.
	Log *slog.Logger
	// Interval is the time between two checks for changes. If 0, a second.
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
	empty      atomic.Pointer[string] // why nothing is shown; nil: unknown yet

	stop    context.CancelFunc
	working sync.WaitGroup // goroutines that Open started
}

// Open opens a mirror. The catalog and the bundles may appear later; the index must exist.
// Errors: fs.ErrNotExist if the mirror's folder or the index does not exist; those of
// catalog.Open and index.Open.
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

// Generation returns a number that grows whenever the results of Crate may have changed: at
// a commit of the catalog or of the index. With an index in a plain folder it grows all the
// time, because changes cannot be seen.
func (v *View) Generation() uint64 { return v.generation.Load() }

// Totals are the counts of what is held, and the index that is shown.
type Totals struct {
	Crates, Versions, Bytes int64     // 0 until the first count
	Counted                 bool      // they were counted
	Removed                 int64     // of Versions: the index no longer names them
	Superseded              int64     // of Versions: earlier bytes of versions that were published again
	Unsettled               int       // unsettled files in quarantine
	Empty                   string    // why nothing is shown, for people; empty: something is shown, or it is unknown yet
	Commit                  string    // of the index; empty: a plain folder
	CommitTime              time.Time // of the index; zero: unknown
}

// Totals returns the last counts. It costs a look at the folder of the quarantine.
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

// Run returns the state of the current run, or of the last one; false if none is known.
func (v *View) Run() (runstate.State, bool) {
	state, err := durable.Open(v.cfg.Dirs.State())
	if err != nil {
		return runstate.State{}, false
	}
	defer state.Close()
	s, err := runstate.Read(state)
	return s, err == nil
}

// rowsOf returns the catalog's rows of a crate; none without a catalog.
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

// notHeld returns the error for a version that the mirror does not hold.
func notHeld(id crate.ID) error {
	return fmt.Errorf("%s is not held by this mirror: %w", id, fs.ErrNotExist)
}
