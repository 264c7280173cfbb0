// Package plan finds out what a run has to do: it streams the versions of a source, which
// is an index or a list, and compares them with the catalog and the store. Versions without
// work go to a Sink at once. The others become items in a Spool on disk, so that the size
// of the job is known before it begins and memory does not grow with the registry.
//
// It writes only the Spool and opens no connection: package mirror executes the plan.
package plan

import (
	"context"
	"iter"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Config says what to mirror, and how to store it.
type Config struct {
	Source Source
	Shard  crate.Shard // part of the source; crates outside it are ignored

	// OldBundles is a folder that may have bundles of v1.1.0: the crates in them that the
	// source names are copied into the store, once. If nil, there are none.
	OldBundles durable.Reader

	Bundle         bool // the store makes bundles: loose crates are bundled too
	KeepLoose      bool // bundled crates stay loose as well; otherwise their loose files are removed once the bundle is finished
	IncludeYanked  bool
	VerifyExisting bool // hash held crates instead of trusting the catalog
	HeldOnly       bool // skip missing crates: download nothing
	AllowEmpty     bool // a choice or a list that names nothing is intended
	// AcceptRepublished says when the bytes of a version may change.
	AcceptRepublished AcceptRepublished

	AcceptShrink bool  // continue although many crates vanished from the source, or it is older than the last one
	Limit        int64 // maximum number of entries; 0: all

	Planned *atomic.Int64 // counts the crates looked at, for other goroutines; default: not counted
	Existed *atomic.Int64 // counts what is held, in place of calls of Sink.Held; default: it is called
	Log     *slog.Logger  // default: none
}

func (cfg Config) withDefaults() Config {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Planned == nil {
		cfg.Planned = new(atomic.Int64)
	}
	return cfg
}

// Held is what a source is compared with.
type Held struct {
	Catalog Catalog
	Store   store.Lister
}

// Catalog is the part of catalog.Catalog that planning uses.
type Catalog interface {
	Versions(ctx context.Context, name string) ([]catalog.Version, error)
	Holdings(ctx context.Context, sums bool) iter.Seq2[catalog.Holding, error]
	Reaches(ctx context.Context) iter.Seq2[store.Placement, error]
	Revision(ctx context.Context) (catalog.Revision, error)
	Taken(ctx context.Context) ([]catalog.Taken, error)
	WasRemoved(ctx context.Context, key crate.Key) (time.Time, error)
	Accepted(ctx context.Context, key crate.Key) (bool, error)
}

// A Sink receives what planning finds.
type Sink interface {
	// Held receives a version that is stored where it should be, and trusted. It is not
	// called if Config.Existed counts them.
	Held(ctx context.Context, it *Item, size int64) error
	// Bad receives an entry that cannot be mirrored.
	Bad(ctx context.Context, b *BadEntry) error
	// Group receives a crate: row is what the catalog must say once all its items have
	// succeeded, or nil if that is unknown; ch is what it must say now.
	Group(ctx context.Context, row *catalog.Crate, ch *Changes, items []Item) error
	// Vanished receives crates that were complete and are no longer in the index.
	Vanished(ctx context.Context, paths []string) error
}

// Task is what to do with an item.
type Task uint8

const (
	Trust    Task = iota // nothing: it is held, and not an item
	Fetch                // download it
	Check                // something is there: hash it, download the crate if it is something else
	Conflict             // held with another checksum: set the new bytes aside
	Replace              // held with another checksum: replace them by the new bytes
)

// Item is a version to mirror, and what to do for it. A source makes it from an entry, the
// Spool stores it, and a run works on it.
type Item struct {
	crate.ID
	Checksum crate.Checksum
	Yanked   bool
	Unlisted bool   // an index mirrored earlier no longer named it
	URL      string // empty: derived from the URLs of the run

	Task  Task
	At    store.Placement // where bytes of Checksum are stored, or may be
	Tried *Tried          // in an earlier pass; nil: this is the first
}

// Key identifies the bytes of the item.
func (it *Item) Key() crate.Key { return crate.Key{ID: it.ID, Checksum: it.Checksum} }

// Tried is the outcome of an item in an earlier pass.
type Tried struct {
	Outcome uint8 // as package mirror numbers them
	Err     string
	Retries int // so far
}

// Totals count the work to do.
type Totals struct {
	Crates    int64 // of the index
	Unchanged int64 // of these: complete, and their index file is unchanged
	Versions  int64 // of the index, within the run's filters
	Yanked    int64 // skipped because they are yanked
	Held      int64 // present and verified by an earlier run
	HeldBytes int64 // of those
	Check     int64 // present, to be hashed first
	ToBundle  int64 // of these: loose, to be bundled
	Twice     int64 // of those held: both loose and in a bundle
	Fetch     int64 // to be downloaded
	Absent    int64 // missing, and skipped because of Config.HeldOnly
	Conflicts int64 // held, but the index names another checksum now, which is not accepted
	// Republished counts held versions for which the index names another checksum now,
	// which is accepted.
	Republished int64
	Bad         int64 // entries of the index that cannot be used
	Violated    int64 // of those: entries with contradicting checksums
	Short       bool  // a bundle or segment ends before the last version that ever was in it

	Problems []error // the first problems of those, at most maxProblems

	// OldBundles counts bundles of v1.1.0 that a run copies into the store before it plans.
	// A dry run does not, and counts their crates as to be downloaded.
	OldBundles int64
	OldBytes   int64 // of those: they take space twice until they are removed
}

// add counts an item.
func (t *Totals) add(do Task) {
	t.Versions++
	switch do {
	case Fetch:
		t.Fetch++
	case Check:
		t.Check++
	case Conflict:
		t.Conflicts++
	case Replace:
		t.Republished++
	}
}

// maxProblems bounds Totals.Problems: people do not read more.
const maxProblems = 1000

// Make compares the source with held and passes its findings to the sink.
func Make(ctx context.Context, cfg Config, held Held, to Sink) (Totals, error) {
	cfg = cfg.withDefaults()
	listing, err := held.Store.NewListing()
	if err != nil {
		return Totals{}, err
	}
	p := planner{cfg: &cfg, catalog: held.Catalog, listing: listing, sink: to}
	return p.run(ctx)
}
