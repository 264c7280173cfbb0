// Package verify hashes everything that a mirror holds, wherever it is stored, and reports
// what differs from the pinned checksum.
//
// It only reads and needs no lock, and the mirror may be written meanwhile. Before
// something counts as wrong, it is looked up in the catalog again, because a writer may
// have moved it.
//
// Versions are verified in the order of the catalog, a page at a time, so that a stopped
// run can resume after the last one that it finished ([Summary].Last). Memory does not
// depend on how much is held.
package verify

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/packed"
)

// Catalog is the part of catalog.Catalog that verification uses.
type Catalog interface {
	Page(ctx context.Context, after crate.ID, limit int) ([]catalog.Version, error)
	BytesOf(ctx context.Context, id crate.ID) ([]catalog.Version, error)
}

// Store is the part of home.Stores that verification uses. CheckPack is that of
// packed.Store.
type Store interface {
	store.Reader
	CheckPack(ctx context.Context, rows []packed.Row, depth deep.Depth) []error
}

// Config configures a run.
type Config struct {
	Catalog Catalog
	Store   Store
	Again   []crate.ID          // verify these first: each version once per run
	After   crate.ID            // then all after this version; zero: from the first
	Shard   crate.Shard         // and of these, the crates of this shard
	Found   func(Problem) error // called for each problem, in order; an error ends the run

	// TarsOnly hashes only the tars of versions in the deep archive and rebuilds no .crate:
	// an order of magnitude faster. It does not apply to Again, because bad versions must
	// prove everything.
	TarsOnly bool

	Workers  int       // versions hashed at a time; default: one per processor
	Progress *Progress // default: not reported
}

// Kind is a kind of problem.
type Kind string

const (
	Missing    Kind = "missing"    // the file or bundle does not exist
	Damaged    Kind = "damaged"    // other bytes than the pinned ones
	Unreadable Kind = "unreadable" // the disk does not give the bytes
)

// Problem is a bad copy of a version.
type Problem struct {
	catalog.Version
	At   store.Placement // of that copy
	Kind Kind
	Err  error
}

// Progress counts what a run does, for other goroutines.
type Progress struct{ versions, bytes, problems atomic.Int64 }

// Counts returns how many versions and bytes of .crate files were verified, and how many
// copies are bad.
func (p *Progress) Counts() (versions, bytes, problems int64) {
	return p.versions.Load(), p.bytes.Load(), p.problems.Load()
}

// Summary is the outcome of a run.
type Summary struct {
	Versions, Bytes int64 // verified, of .crate files
	Problems        map[Kind]int64
	Again           int      // number of Config.Again that were verified, from the first
	Passed          int64    // versions between Config.After and Last
	Last            crate.ID // everything up to this version was verified
	Complete        bool     // the run reached the end
}

// Workers get pages of at least this many versions, extended to the end of a crate, so that
// its packs are decoded once. Bad versions come one at a time, because bad places are slow
// to read.
const (
	pageSize  = 128
	maxPage   = 4096
	againSize = 1
)

// Run hashes until all is done, or until ctx ends: then the summary says how far it came,
// and Run returns ctx's cause.
func Run(ctx context.Context, cfg Config) (*Summary, error) {
	cfg = cfg.withDefaults()
	s, err := Again(ctx, cfg)
	if err == nil {
		err = causeOf(ctx, cfg.sweep(ctx, s))
	}
	s.Complete = err == nil
	s.Versions, s.Bytes, _ = cfg.Progress.Counts()
	return s, err
}

// Again verifies only the versions of Config.Again, in order. Those that are no longer held
// are not bad any more.
func Again(ctx context.Context, cfg Config) (*Summary, error) {
	cfg = cfg.withDefaults()
	s := &Summary{Problems: map[Kind]int64{}, Last: cfg.After}
	work := pipeline{cfg: &cfg, check: cfg.checkAgain}
	return s, causeOf(ctx, work.run(ctx, cfg.listAgain, func(p *page) error {
		if err := cfg.tell(s, p.problems); err != nil {
			return err
		}
		s.Again += len(p.again)
		return nil
	}))
}

// causeOf returns the cause of ctx if it ended, because that says more than the resulting
// error.
func causeOf(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func (cfg *Config) listAgain(_ context.Context, hand func(*page) error) error {
	for ids := range slices.Chunk(cfg.Again, againSize) {
		if err := hand(&page{again: ids}); err != nil {
			return err
		}
	}
	return nil
}

func (cfg *Config) checkAgain(ctx context.Context, p *page) error {
	for _, id := range p.again {
		rows, err := cfg.Catalog.BytesOf(ctx, id)
		if err != nil {
			return err
		}
		for i := range rows {
			if rows[i].ID != id {
				continue
			}
			found, err := cfg.version(ctx, &rows[i], &packs{cfg: cfg, depth: deep.Crates})
			if err != nil {
				return err
			}
			p.problems = append(p.problems, found...)
		}
	}
	return nil
}

func (cfg Config) withDefaults() Config {
	if cfg.Workers <= 0 {
		cfg.Workers = runtime.GOMAXPROCS(0)
	}
	if cfg.Progress == nil {
		cfg.Progress = new(Progress)
	}
	return cfg
}

// sweep verifies everything after Config.After, many versions at a time.
func (cfg *Config) sweep(ctx context.Context, s *Summary) error {
	seen := make(map[crate.ID]bool, len(cfg.Again))
	for _, id := range cfg.Again {
		seen[id] = true
	}
	check := func(ctx context.Context, p *page) error { return cfg.checkPage(ctx, p, seen) }
	work := pipeline{cfg: cfg, check: check}
	return work.run(ctx, cfg.list, func(p *page) error {
		if err := cfg.tell(s, p.problems); err != nil {
			return err
		}
		s.Last = p.versions[len(p.versions)-1].ID
		s.Passed += int64(len(p.versions))
		return nil
	})
}

// list passes on everything after Config.After.
func (cfg *Config) list(ctx context.Context, hand func(*page) error) error {
	var versions []catalog.Version
	for after := cfg.After; ; {
		more, err := cfg.Catalog.Page(ctx, after, pageSize)
		if err != nil {
			return err
		}
		ended := len(more) < pageSize
		if len(more) > 0 {
			after = more[len(more)-1].ID
		}
		versions = append(versions, slices.DeleteFunc(more, func(v catalog.Version) bool { return !cfg.Shard.Has(v.Name) })...)
		n := len(versions)
		if !ended && n < maxPage {
			n = wholeCrates(versions)
		}
		if n > 0 {
			if err := hand(&page{versions: slices.Clone(versions[:n])}); err != nil {
				return err
			}
			versions = slices.Delete(versions, 0, n)
		}
		if ended {
			return nil
		}
	}
}

// wholeCrates returns the number of leading versions whose crate cannot continue on the
// next page.
func wholeCrates(versions []catalog.Version) int {
	n := len(versions)
	for n > 0 && versions[n-1].Name == versions[len(versions)-1].Name {
		n--
	}
	return n
}

func (cfg *Config) tell(s *Summary, problems []Problem) error {
	for _, p := range problems {
		s.Problems[p.Kind]++
		cfg.Progress.problems.Add(1)
		if err := cfg.Found(p); err != nil {
			return err
		}
	}
	return nil
}

func (cfg *Config) checkPage(ctx context.Context, p *page, seen map[crate.ID]bool) error {
	packs := cfg.packsOf(p.versions, seen)
	for i := range p.versions {
		v := &p.versions[i]
		if !seen[v.ID] {
			found, err := cfg.version(ctx, v, packs)
			if err != nil {
				return err
			}
			p.problems = append(p.problems, found...)
		}
		cfg.Progress.versions.Add(1)
	}
	return nil
}

// version verifies all copies of a version. If a writer has moved one meanwhile, it is
// verified at its new place.
func (cfg *Config) version(ctx context.Context, v *catalog.Version, packs *packs) ([]Problem, error) {
	for {
		found := cfg.copies(ctx, v, packs)
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if len(found) == 0 {
			return nil, nil
		}
		now, err := cfg.lookUp(ctx, v.Key())
		if err != nil || now == nil {
			return nil, err
		}
		if now.Placement == v.Placement {
			return found, nil
		}
		v = now
	}
}

// lookUp returns the row of bytes, or nil if there no longer is one.
func (cfg *Config) lookUp(ctx context.Context, key crate.Key) (*catalog.Version, error) {
	rows, err := cfg.Catalog.BytesOf(ctx, key.ID)
	for i := range rows {
		if rows[i].Key() == key {
			return &rows[i], err
		}
	}
	return nil, err
}

func (cfg *Config) copies(ctx context.Context, v *catalog.Version, packs *packs) (found []Problem) {
	packed := false // and the copy there is good
	for _, at := range v.Places() {
		var err error
		if at.Deep.Segment != "" {
			err = packs.check(ctx, v)
			packed = err == nil
		} else {
			err = cfg.check(ctx, v, at)
		}
		if err != nil {
			found = append(found, problem(v, at, err))
		}
	}
	if packed { // repack removes a loose file before it records that, and may be killed in between
		found = slices.DeleteFunc(found, func(p Problem) bool { return p.At.Loose && p.Kind == Missing })
	}
	return found
}

// check hashes one copy that is loose or in a bundle, and returns what is wrong with it.
func (cfg *Config) check(ctx context.Context, v *catalog.Version, at store.Placement) error {
	sum, size, err := cfg.hash(ctx, v.Key(), at)
	if err == nil && sum == v.Checksum || cfg.madeWay(ctx, v, at) {
		return nil
	}
	if err == nil {
		err = &crate.ChecksumError{ID: v.ID, Want: v.Checksum, Got: sum, Size: size}
	}
	return err
}

// problem returns the problem of a copy with an error.
func problem(v *catalog.Version, at store.Placement, err error) Problem {
	var path *fs.PathError
	kind := Damaged
	switch {
	case errors.Is(err, fs.ErrNotExist):
		kind = Missing
	case errors.As(err, &path): // the disk, not the bytes
		kind = Unreadable
	}
	return Problem{Version: *v, At: at, Kind: kind, Err: fmt.Errorf("%s, %s: %w", v.ID, where(v, at), err)}
}

// madeWay reports whether a writer has moved a loose file to republished/, or back, which
// it records a moment later.
func (cfg *Config) madeWay(ctx context.Context, v *catalog.Version, at store.Placement) bool {
	if !at.Loose {
		return false
	}
	sum, _, err := cfg.hash(ctx, v.Key(), at.Moved(v.Checksum))
	return err == nil && sum == v.Checksum
}

func where(v *catalog.Version, at store.Placement) string {
	place := at.String()
	if !v.SupersededAt.IsZero() {
		place += ", the bytes that it had before it was published again"
	}
	return place
}

func (cfg *Config) hash(ctx context.Context, key crate.Key, at store.Placement) (sum crate.Checksum, size int64, err error) {
	return store.Hash(ctx, cfg.Store, key, at, &counter{&cfg.Progress.bytes})
}

// counter counts what is written to it.
type counter struct{ n *atomic.Int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n.Add(int64(len(p)))
	return len(p), nil
}
