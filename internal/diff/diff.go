// Package diff tells what is different between two states of a registry, or of mirrors of
// it: which versions were added, removed, published again with other bytes, yanked and
// un-yanked. The states are two commits of an index, whose lines may also have changed in
// other fields ([Run]), or what two mirrors hold, or had held as their manifests say
// ([Sides]).
//
// A version is identified by name and full version, its bytes by their checksum.
// What is compared is the two states alone: a version that was yanked and un-yanked
// between them has not changed.
//
// # Limits
//
// Of an index, only files that changed are read, one crate at a time; a mirror is read in
// the order of its catalog, a manifest is sorted on disk. Nothing grows with the registry
// or with the number of changes. A line that cannot be parsed is not compared, and
// neither is a version with such a line on one side: it is counted and told
// ([Summary.Unread]).
package diff

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// Holdings is what a mirror holds: a catalog.
type Holdings interface {
	// Versions returns all bytes that are held of a crate.
	Versions(ctx context.Context, name string) ([]catalog.Version, error)
}

// Config of [Run].
type Config struct {
	Index *index.Index
	// From and To are commits that Index.At has found, in any order.
	From, To index.Revision
	// Holdings says of bytes whether they are held. If nil, that is not known.
	Holdings Holdings
	// Log gets what could not be compared. If nil, it is counted alone.
	Log *slog.Logger
}

// Summary counts what differs.
type Summary struct {
	Kinds                [len(names)]int64 // changes, by Kind
	Bytes                [len(names)]int64 // of the crates that mirrors hold, by Kind
	NewCrates, OldCrates int64             // index files that are new, or gone
	Unread               int64             // lines, and whole files, that could not be compared
}

// Run calls each for every change, in the order of the index. Errors: those of each
// and of the holdings; index.ErrNoPast; those of git.
func Run(ctx context.Context, cfg Config, each func(*Change) error) (*Summary, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := new(Summary)
	for d, err := range cfg.Index.Differences(ctx, cfg.From, cfg.To) {
		if err == nil {
			err = cfg.crate(ctx, d, s, each)
		}
		if err != nil {
			return s, err
		}
	}
	return s, nil
}

// crate reports the changes of one crate.
func (cfg *Config) crate(ctx context.Context, d *index.Difference, s *Summary, each func(*Change) error) error {
	cfg.tellUnread(d, s)
	changes := Compare(d.Before, d.After)
	switch {
	case len(changes) == 0:
		return nil
	case d.Before == nil:
		s.NewCrates++
	case d.After == nil:
		s.OldCrates++
	}
	held, err := cfg.held(ctx, changes)
	if err != nil {
		return err
	}
	for i := range changes {
		c := &changes[i]
		s.Kinds[c.Kind]++
		if held != nil {
			is := held[c.Key]
			c.Held = &is
		}
		if err := each(c); err != nil {
			return err
		}
	}
	return nil
}

// held is which bytes of a crate are held; nil if that is not known.
func (cfg *Config) held(ctx context.Context, changes []Change) (map[crate.Key]bool, error) {
	if cfg.Holdings == nil {
		return nil, nil
	}
	rows, err := cfg.Holdings.Versions(ctx, changes[0].Name) // in any case of the name
	if err != nil {
		return nil, err
	}
	held := make(map[crate.Key]bool, len(rows))
	for i := range rows {
		held[rows[i].Key()] = true
	}
	return held, nil
}

// tellUnread counts what is not compared, of both sides. A line that makes the same
// little sense on both is of no interest.
func (cfg *Config) tellUnread(d *index.Difference, s *Summary) {
	was, is := badLines(d.Before), badLines(d.After)
	for what, err := range was {
		if _, same := is[what]; same {
			delete(is, what)
		} else {
			is[what] = err
		}
	}
	for _, what := range slices.Sorted(maps.Keys(is)) {
		s.Unread++
		cfg.Log.Warn("not compared", "err", is[what])
	}
}

// badLines are the errors of an index file, by text.
func badLines(c *index.Crate) map[string]error {
	bad := map[string]error{}
	if c == nil {
		return bad
	}
	if c.Err != nil {
		bad[c.Err.Error()] = fmt.Errorf("%s: %w", c.Path, c.Err)
	}
	for _, line := range c.Bad {
		bad[line.ID.String()+" "+line.Err.Error()] = line
	}
	return bad
}
