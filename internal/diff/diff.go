// Package diff compares two states of a registry, or of mirrors of it: it lists the
// versions that were added, removed, published again with other bytes, yanked and
// un-yanked. The states are two commits of an index, where other fields of a line may also
// have changed ([Run]), or the contents of two mirrors or of their manifests ([Sides]).
//
// A version is identified by its name and full version, its bytes by their checksum. Only
// the two states are compared: a version that was yanked and un-yanked in between has not
// changed.
//
// # Limits
//
// Of an index, only changed files are read, one crate at a time; a mirror is read in the
// order of its catalog, and a manifest is sorted on disk. Memory grows neither with the
// registry nor with the number of changes. A line that cannot be parsed is not compared,
// nor is a version with such a line on one side; both are counted and logged
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

// Holdings is the part of a catalog that Run uses.
type Holdings interface {
	// Versions returns all bytes of a crate that are held.
	Versions(ctx context.Context, name string) ([]catalog.Version, error)
}

// Config configures [Run].
type Config struct {
	Index *index.Index
	// From and To are commits that Index.At returned, in any order.
	From, To index.Revision
	// Holdings says which bytes are held. If nil, that is unknown.
	Holdings Holdings
	// Log logs what could not be compared. If nil, it is only counted.
	Log *slog.Logger
}

// Summary counts the differences.
type Summary struct {
	Kinds                [len(names)]int64 // number of changes, by Kind
	Bytes                [len(names)]int64 // size of the crates that mirrors hold, by Kind
	NewCrates, OldCrates int64             // index files that were added, or removed
	Unread               int64             // lines, and whole files, that could not be compared
}

// Run calls each for every change, in the order of the index. Errors: those of each and of
// the holdings; index.ErrNoPast; those of git.
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

// held returns which bytes of a crate are held, or nil if that is unknown.
func (cfg *Config) held(ctx context.Context, changes []Change) (map[crate.Key]bool, error) {
	if cfg.Holdings == nil {
		return nil, nil
	}
	rows, err := cfg.Holdings.Versions(ctx, changes[0].Name) // regardless of the case of the name
	if err != nil {
		return nil, err
	}
	held := make(map[crate.Key]bool, len(rows))
	for i := range rows {
		held[rows[i].Key()] = true
	}
	return held, nil
}

// tellUnread counts and logs what cannot be compared, on both sides. It skips a line that
// is equally invalid on both.
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

// badLines returns the errors of an index file, by text.
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
