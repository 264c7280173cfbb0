package plan

import (
	"context"
	"fmt"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// The owner of a deleted version can publish it again with other bytes (crates.io,
// delete.rs). Then the bytes that the index names are downloaded and become the version's.
// The earlier bytes are kept and found by their checksum, but never served to cargo under
// that version again.
//
// An attacker who can change the index could replace any version that way, so the run must
// see that it happened as on crates.io: see [AcceptRepublished].

// AcceptRepublished says for which versions a run accepts, without a person, that the index
// names bytes other than those held.
type AcceptRepublished uint8

const (
	// AcceptVanished accepts versions that were missing from the index for a while: an
	// earlier run saw that, or the history of the index shows it for at least
	// republishAfter. The duration does not count for what a run saw, because the run may
	// have seen it late.
	AcceptVanished AcceptRepublished = iota
	AcceptNever
	AcceptAlways
)

// republishAfter is the time for which crates.io prevents the reuse of a deleted crate's
// name (crates.io, delete.rs).
const republishAfter = 24 * time.Hour

// accepts returns why the bytes of an entry are accepted in place of those held; "" means
// that they are not.
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
	if clock := time.Now(); now.After(clock) { // the author of a commit sets its date
		now = clock
	}
	if err != nil || !found || now.Sub(absent.Time) < republishAfter {
		return "", err
	}
	return fmt.Sprintf("index commit %s did not name it on %s", absent.Commit, absent.Time.UTC().Format(time.DateOnly)), nil
}

// maxLooking is how long a run may search the history of the index. For each version it
// walks over all commits since the last run, 0.1 ms each: a month of crates.io takes 3 s.
// If the index named other bytes for every version, an unlimited search would not end.
const maxLooking = 10 * time.Minute

// absent searches the history of the index while there is time.
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
