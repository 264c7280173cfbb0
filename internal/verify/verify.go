// Package verify hashes what a mirror holds, wherever it is stored, and reports what is
// not the crate that was pinned.
//
// It reads and nothing else: it needs no lock, and a mirror may be written beside it.
// What seems wrong is looked up in the catalog again before it counts, since a writer may
// have moved it.
//
// Versions are taken in the order of the catalog, a page at a time, so that a run that
// was stopped can resume after the last one that it finished ([Summary].Last). Memory
// does not depend on how much is held.
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

// Catalog is what verifying needs of catalog.Catalog.
type Catalog interface {
	Page(ctx context.Context, after crate.ID, limit int) ([]catalog.Version, error)
	BytesOf(ctx context.Context, id crate.ID) ([]catalog.Version, error)
}

// Store is what verifying needs of home.Stores. CheckPack is that of packed.Store.
type Store interface {
	store.Reader
	CheckPack(ctx context.Context, rows []packed.Row, depth deep.Depth) []error
}

// Config is a run.
type Config struct {
	Catalog Catalog
	Store   Store
	Again   []crate.ID          // look at these first: each version once in a run
	After   crate.ID            // then at all behind this version; zero: from the first
	Shard   crate.Shard         // and of these at those of its crates
	Found   func(Problem) error // is called for each problem, in order; an error ends the run

	// Of what is in the deep archive the tars are hashed, and no .crate is rebuilt: an
	// order of magnitude faster. Again does not care: what was bad has to prove all.
	TarsOnly bool

	Workers  int       // versions hashed at a time; default: one a processor
	Progress *Progress // default: not reported
}

// Kind is what is wrong.
type Kind string

const (
	Missing    Kind = "missing"    // there is no such file or bundle
	Damaged    Kind = "damaged"    // there are other bytes than those that were pinned
	Unreadable Kind = "unreadable" // the disk does not give the bytes
)

// Problem is a copy of a version that is not what it should be.
type Problem struct {
	catalog.Version
	At   store.Placement // of that copy
	Kind Kind
	Err  error
}

// Progress is counts of a run, for others to read while it is running.
type Progress struct{ versions, bytes, problems atomic.Int64 }

// Counts returns how many versions and bytes of .crate files were verified, and how many
// copies are not what they should be.
func (p *Progress) Counts() (versions, bytes, problems int64) {
	return p.versions.Load(), p.bytes.Load(), p.problems.Load()
}

// Summary is the outcome of a run.
type Summary struct {
	Versions, Bytes int64 // verified, of .crate files
	Problems        map[Kind]int64
	Again           int      // of Config.Again, the first so many were looked at
	Passed          int64    // versions between Config.After and Last
	Last            crate.ID // everything up to this version was looked at
	Complete        bool     // up to the end
}

// Pages are what workers are given: so many versions at least, and then up to the end
// of a crate, whose packs are so decoded once; and of those that were bad each alone,
// because what is bad is slow to read.
const (
	pageSize  = 128
	maxPage   = 4096
	againSize = 1
)

// Run hashes until all is done, or until ctx is: then the summary says how far
// it came, and Run returns ctx's cause.
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

// Again looks at the versions of Config.Again, in their order, and at no others.
// Those that are no longer held are not bad any more.
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

// causeOf returns why ctx ended, if it did: it says more than what came of it.
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

// sweep looks at all behind Config.After, many at a time.
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

// list hands out everything behind Config.After.
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

// wholeCrates counts the versions whose crate cannot have more of them on the next page.
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

// version looks at all copies of a version. What a writer has moved meanwhile
// is looked at where it is now.
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

// lookUp returns the row of bytes, nil if there is none any more.
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
	packed := false // and what is there is good
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
	if packed { // repack removes a loose file before it says so, and may be killed in between
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

// problem is a copy with which err is wrong.
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

// madeWay reports whether a writer has moved a loose file to republished/, or back,
// which it records a moment later.
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
