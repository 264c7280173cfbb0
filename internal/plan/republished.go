package plan

import (
	"context"
	"fmt"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// A version that its owner deleted can be published again with other bytes
// (crates.io, delete.rs). What the index names is then fetched and becomes the
// version; the bytes that it had are kept, are found by their checksum, and are
// never given to cargo under that version again.
//
// An attacker who can change the index could replace any version that way, so it must be
// seen to have happened as crates.io does it: see [AcceptRepublished].

// AcceptRepublished says which of the versions for which the index names other
// bytes than those that are held are accepted without a person.
type AcceptRepublished uint8

const (
	// AcceptVanished: those that the index did not name for a while: an earlier
	// run saw it, or the history of the index shows it, and that republishAfter
	// has gone by since. In what a run saw, time does not count: it may have seen
	// it late.
	AcceptVanished AcceptRepublished = iota
	AcceptNever
	AcceptAlways
)

// republishAfter is how long crates.io keeps the name of a deleted crate from
// being used again (crates.io, delete.rs).
const republishAfter = 24 * time.Hour

// accepts says why the bytes of an entry are accepted in place of those held;
// "": they are not.
func (p *planner) accepts(ctx context.Context, g *Group, e *Item, v *catalog.Version) (why string, err error) {
	byHand, err := p.catalog.Accepted(ctx, crate.Key{ID: e.ID, Checksum: e.Checksum})
	switch {
	case err != nil:
		return "", err
	case byHand:
		return "accepted before", nil
	case p.cfg.AcceptRepublished == AcceptAlways:
		return "-accept-republished always", nil
	case p.cfg.AcceptRepublished == AcceptNever || !g.Whole:
		return "", nil
	}
	seen, err := p.catalog.WasRemoved(ctx, v.Key())
	if err != nil || !seen.IsZero() {
		return "the index did not name it on " + seen.UTC().Format(time.DateOnly), err
	}
	absent, found, err := p.absent(ctx, e.ID)
	now := p.revision.Time
	if clock := time.Now(); now.After(clock) { // who makes a commit writes its date
		now = clock
	}
	if err != nil || !found || now.Sub(absent.Time) < republishAfter {
		return "", err
	}
	return fmt.Sprintf("index commit %s did not name it on %s", absent.Commit, absent.Time.UTC().Format(time.DateOnly)), nil
}

// maxLooking is how long a run looks into the history of the index. For each
// version it goes through all commits since the last run, 0.1 ms each: a month of
// crates.io's are 3 s. Should the index name other bytes of everything, a run that
// looked for each would not end.
const maxLooking = 10 * time.Minute

// absent asks the history of the index, as long as there is time.
func (p *planner) absent(ctx context.Context, id crate.ID) (rev index.Revision, found bool, err error) {
	ix, ok := p.cfg.Source.(Index)
	if !ok || p.mirrored.Commit == "" || p.looked >= maxLooking {
		return rev, false, nil
	}
	start := time.Now()
	rev, found, err = ix.AbsentSince(ctx, id, p.mirrored.Commit)
	if p.looked += time.Since(start); p.looked >= maxLooking {
		p.cfg.Log.Warn("the history of the index takes too long to read: other versions with other bytes are not looked for in it, and wait for accept",
			"last", id, "took", p.looked.Round(time.Second))
	}
	return rev, found, err
}
