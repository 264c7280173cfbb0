// Package plan says what a run has to do: it streams what a source names, an index or a
// list, and compares it with the catalog and with the store. What needs no work is told
// to a Sink at once; what does are items, which a Spool keeps on disk, so that the size
// of the job is known before its bulk begins and memory does not grow with the registry.
//
// It writes nothing but the Spool, and opens no connection: package mirror does
// what the plan says.
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
	Shard  crate.Shard // of the source: other crates are as if it did not say anything of them

	// OldBundles is a folder that may have bundles of v1.1.0: what the source names of their
	// crates goes into the store, once. If nil, there are none.
	OldBundles durable.Reader

	Bundle         bool // the store makes bundles: what is held loose is put into them too
	KeepLoose      bool // and stays loose; otherwise loose files go once their bundle is finished
	IncludeYanked  bool
	VerifyExisting bool // hash what is held instead of trusting the catalog
	HeldOnly       bool // leave out what is not there: nothing new is fetched
	AllowEmpty     bool // a choice or a list that names nothing is meant
	// AcceptRepublished says when the bytes of a version may change.
	AcceptRepublished AcceptRepublished

	AcceptShrink bool  // continue although many crates vanished from the source, or it is older than the last
	Limit        int64 // at most so many entries; 0: all

	Planned *atomic.Int64 // counts the crates that were looked at, for others to read; default: not counted
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

// Catalog is what planning needs of catalog.Catalog.
type Catalog interface {
	Versions(ctx context.Context, name string) ([]catalog.Version, error)
	Holdings(ctx context.Context) iter.Seq2[catalog.Holding, error]
	Revision(ctx context.Context) (catalog.Revision, error)
	Taken(ctx context.Context) ([]catalog.Taken, error)
	WasRemoved(ctx context.Context, key crate.Key) (time.Time, error)
	Accepted(ctx context.Context, key crate.Key) (bool, error)
}

// A Sink is where planning leaves what it finds.
type Sink interface {
	// Held is a version that is stored where it should be, and trusted.
	Held(ctx context.Context, it *Item, size int64) error
	// Bad is an entry that cannot be mirrored.
	Bad(ctx context.Context, b *BadEntry) error
	// Group ends a crate: row is what the catalog shall say when all its items
	// have succeeded, nil if that cannot be said; ch is what it shall say now.
	Group(ctx context.Context, row *catalog.Crate, ch *Changes, items []Item) error
	// Vanished are crates that were complete and are no longer in the index.
	Vanished(ctx context.Context, paths []string) error
}

// Task is what an item is about.
type Task uint8

const (
	Trust    Task = iota // nothing: it is held, and no item
	Fetch                // not there
	Check                // something is there: hash it, fetch if it is not the crate
	Conflict             // held under another checksum: set the new bytes aside
	Replace              // held under another checksum: the new bytes take their place
)

// Item is one version that should be mirrored, and what to do for it. It is what a source
// makes of an entry, what the Spool keeps and what a run works on.
type Item struct {
	crate.ID
	Checksum crate.Checksum
	Yanked   bool
	Unlisted bool   // an index that was mirrored before did not name it any more
	URL      string // empty: derived from the URLs of the run

	Task  Task
	At    store.Placement // where bytes of Checksum are stored, or may be
	Tried *Tried          // in an earlier pass; nil: this is the first
}

// Key identifies the bytes of the item.
func (it *Item) Key() crate.Key { return crate.Key{ID: it.ID, Checksum: it.Checksum} }

// Tried is what became of an item in an earlier pass.
type Tried struct {
	Outcome uint8 // as package mirror numbers them
	Err     string
	Retries int // so far
}

// Totals say how much there is to do.
type Totals struct {
	Crates    int64 // of the index
	Unchanged int64 // of these: complete, and their index file is as it was
	Versions  int64 // of the index under the run's filters
	Yanked    int64 // left out because they are yanked
	Held      int64 // present and verified by an earlier run
	HeldBytes int64 // of those
	Check     int64 // present, to be hashed first
	ToBundle  int64 // of these: loose, to be put into bundles
	Twice     int64 // of those held: loose as well as in a bundle
	Fetch     int64 // to be fetched
	Absent    int64 // not there, and with Config.HeldOnly left out
	Conflicts int64 // held, but the index names another checksum now, which is not accepted
	// Republished are held, but the index names another checksum now, which is
	// accepted.
	Republished int64
	Bad         int64 // entries of the index that cannot be used
	Violated    int64 // of those: for which different checksums are named

	Problems []error // what is wrong with the first of those, at most maxProblems

	// OldBundles are bundles of v1.1.0 that a run takes over before it plans: a
	// dry run, which does not, counts their crates as to be fetched.
	OldBundles int64
	OldBytes   int64 // of those: the disk holds them twice until they are removed
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

// maxProblems bounds Totals.Problems: more than a person reads.
const maxProblems = 1000

// Make compares, and tells the sink what it finds.
func Make(ctx context.Context, cfg Config, held Held, to Sink) (Totals, error) {
	cfg = cfg.withDefaults()
	listing, err := held.Store.NewListing()
	if err != nil {
		return Totals{}, err
	}
	p := planner{cfg: &cfg, catalog: held.Catalog, listing: listing, sink: to}
	return p.run(ctx)
}
