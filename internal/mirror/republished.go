package mirror

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// A version that its owner deleted can be published again with other bytes
// (crates.io, delete.rs). What the index names is then fetched and becomes the
// version; the bytes that it had are kept, are found by their checksum, and are
// never given to cargo under that version again.
//
// Somebody who can change the index could replace any version that way, so that
// it happened as crates.io does it must be seen: see [AcceptRepublished].

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

// History is a Source that knows earlier states of its index.
type History interface {
	// AbsentSince returns the first commit after since in which the index did
	// not name id, although it did in since; false if none is known.
	AbsentSince(ctx context.Context, id crate.ID, since string) (index.Revision, bool, error)
}

// republished says what must be done for an entry that names other bytes than the
// version has; it is not one if the entry does not, or none are held.
func (p *planner) republished(ctx context.Context, g *Group, e *Entry, h *heldBytes, ch *changes) (it *item, is bool, err error) {
	if h.now != nil && h.now.Checksum == e.Checksum {
		return nil, false, nil
	}
	pinned := h.now != nil && !h.now.VerifiedAt.IsZero()
	if pinned {
		why, err := p.accepts(ctx, g, e, &h.now.Version)
		if err != nil {
			return nil, false, err
		}
		if why == "" {
			p.plan.Versions++
			p.plan.Conflicts++
			it := &item{Entry: *e, task: taskConflict}
			if had := h.find(e.Checksum); had != nil {
				it.at = p.surviving(&had.Version)
			}
			return it, true, nil
		}
		p.cfg.Log.Warn("published again with other bytes: they become the version, those that it had are kept", "crate", e.Name,
			"version", e.Version, "sha256", e.Checksum, "before", h.now.Checksum, "accepted_because", why)
		ch.accepted = append(ch.accepted, crate.Key{ID: e.ID, Checksum: e.Checksum})
	}
	match := h.find(e.Checksum)
	if !pinned && h.now != nil && !h.now.Loose && (match == nil || match.adopted()) {
		// Of bundles, and never named by an index: nothing is in the way of what it
		// names, whichever of them was met first.
		h.supersede(match)
		return nil, false, nil
	}
	if h.now == nil && match == nil {
		return nil, false, nil
	}
	var at store.Placement
	if match != nil {
		at = p.surviving(&match.Version)
	}
	if at == (store.Placement{}) && p.cfg.HeldOnly {
		p.plan.Absent++
		return nil, true, nil
	}
	p.plan.Versions++
	p.plan.Republished++
	return &item{Entry: *e, task: taskReplace, at: at}, true, nil
}

// accepts says why the bytes of an entry are accepted in place of those held;
// "": they are not.
func (p *planner) accepts(ctx context.Context, g *Group, e *Entry, v *catalog.Version) (why string, err error) {
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
	history, ok := p.cfg.Source.(History)
	if !ok || p.mirrored.Commit == "" || p.looked >= maxLooking {
		return rev, false, nil
	}
	start := time.Now()
	rev, found, err = history.AbsentSince(ctx, id, p.mirrored.Commit)
	if p.looked += time.Since(start); p.looked >= maxLooking {
		p.cfg.Log.Warn("the history of the index takes too long to read: other versions with other bytes are not looked for in it, and wait for accept",
			"last", id, "took", p.looked.Round(time.Second))
	}
	return rev, found, err
}

// conflict sets aside bytes that upstream gives out under a version that we
// hold with other bytes, unless we have them: at says where they are held, and an
// earlier run may have set them aside. A version's bytes never change: ours stay.
func (w *worker) conflict(ctx context.Context, res *result, at store.Placement) error {
	reason := fmt.Sprintf("%s: the index names checksum %s now, but the version was mirrored with another, which is kept; if it was published again, clonecratesio accept %s %s takes the new bytes", res.entry.ID, res.entry.Checksum, res.entry.Name, res.entry.Version)
	if at != (store.Placement{}) {
		if sum, err := w.sumOf(ctx, res.entry.ID, at); err == nil && sum == res.entry.Checksum {
			res.outcome = violated
			return fmt.Errorf("%s; it had these bytes before, and they are held", reason)
		}
	}
	path, err := w.run.cfg.Store.Isolated(res.entry.ID, res.entry.Checksum)
	if errors.Is(err, fs.ErrNotExist) {
		path, err = w.isolateFetched(ctx, res, reason)
	}
	if err != nil {
		return err
	}
	res.outcome = violated
	return fmt.Errorf("%s; the new bytes are at %s", reason, path)
}

func (w *worker) isolateFetched(ctx context.Context, res *result, reason string) (path string, err error) {
	body, release, err := w.body(ctx, res)
	if err != nil {
		return "", w.refused(res, err)
	}
	defer release()
	return w.run.cfg.Store.Isolate(res.entry.ID, res.entry.Checksum, res.entry.Checksum, reason, body)
}

// replace makes the bytes that the index names those of the version. If they are
// held already, at says where.
func (w *worker) replace(ctx context.Context, res *result, at store.Placement) error {
	others, err := w.others(ctx, &res.entry)
	if err != nil {
		return err
	}
	left, err := w.checkHeld(ctx, res, at)
	if err != nil {
		return err
	}
	if left == (store.Placement{}) { // an earlier run may have been cut off as all was in place
		inPlace := store.Placement{Loose: true}
		sum, err := w.sumOf(ctx, res.entry.ID, inPlace)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if err != nil || sum != res.entry.Checksum {
			return w.replaceFetched(ctx, res, others)
		}
		left = inPlace
	}
	there, err := w.makeWay(ctx, res, others)
	if err == nil && !there && left.Republished != "" {
		err = w.run.cfg.Store.TakePlace(res.entry.key())
	}
	if err != nil {
		return err
	}
	left.Loose, left.Republished = left.Loose || there, ""
	return w.check(ctx, res, left) // and put where it should be too
}

// replaceFetched is replace with bytes that are not held.
func (w *worker) replaceFetched(ctx context.Context, res *result, others []catalog.Version) error {
	body, release, err := w.body(ctx, res)
	if err != nil {
		return w.refusedAgain(res, err, others)
	}
	defer release()
	if _, err := w.makeWay(ctx, res, others); err != nil {
		return err
	}
	if err := w.put(ctx, res, body); err != nil {
		return err
	}
	res.outcome, res.size = downloaded, body.Size
	return nil
}

// others returns the rows of the other bytes of a version.
func (w *worker) others(ctx context.Context, e *Entry) (others []catalog.Version, err error) {
	rows, err := w.run.cfg.Catalog.BytesOf(ctx, e.ID)
	for _, v := range rows {
		if v.Checksum != e.Checksum {
			others = append(others, v)
		}
	}
	return others, err
}

// makeWay moves the loose files of other bytes out of the way, and notes what has
// become of their rows. What a file is, its bytes say and not its row: an earlier
// run may have been cut off at any point of this. It reports whether the bytes of
// the entry stand in their place already.
func (w *worker) makeWay(ctx context.Context, res *result, others []catalog.Version) (there bool, err error) {
	for i := range others {
		v := &others[i]
		if err := w.shelve(ctx, v); err != nil {
			return false, err
		}
		if v.Placement == (store.Placement{}) {
			res.dropped = append(res.dropped, v.Key())
			continue
		}
		if res.replaced == (crate.Checksum{}) && v.SupersededAt.IsZero() {
			res.replaced = v.Checksum
		}
		if v.SupersededAt.IsZero() {
			v.SupersededAt = time.Now()
		}
		v.Listed = false
		res.rows = append(res.rows, *v)
	}
	inPlace := store.Placement{Loose: true}
	sum, err := w.sumOf(ctx, res.entry.ID, inPlace)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case sum == res.entry.Checksum:
		w.run.cfg.Store.Adopt(res.entry.ID)
		return true, nil
	}
	reason := &crate.ChecksumError{ID: res.entry.ID, Want: res.entry.Checksum, Got: sum}
	_, err = w.setAside(res.entry.ID, inPlace, reason)
	return false, err
}

// shelve moves the loose file of superseded bytes to republished/, and says in
// the row where it is.
func (w *worker) shelve(ctx context.Context, v *catalog.Version) error {
	if !v.Loose {
		return nil
	}
	sum, err := w.sumOf(ctx, v.ID, store.Placement{Loose: true})
	if err == nil && sum == v.Checksum {
		err = w.moveAway(ctx, v.Key())
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	v.Republished = v.Checksum.FileKey()
	sum, err = w.sumOf(ctx, v.ID, v.AsFile())
	if errors.Is(err, fs.ErrNotExist) || err == nil && sum != v.Checksum {
		v.Placement = v.InBundle()
		return nil
	}
	return err
}

// moveAway moves bytes that were hashed to republished/. What stands there and is not
// them goes to quarantine.
func (w *worker) moveAway(ctx context.Context, key crate.Key) error {
	err := w.run.cfg.Store.MakeWay(key)
	if !errors.Is(err, fs.ErrExist) {
		return err
	}
	there := store.Placement{Loose: true, Republished: key.Checksum.FileKey()}
	good, checkErr := w.checkPlace(ctx, &result{entry: Entry{ID: key.ID, Checksum: key.Checksum}}, there, io.Discard)
	if good || checkErr != nil {
		return errors.Join(err, checkErr)
	}
	return w.run.cfg.Store.MakeWay(key)
}

// sumOf hashes what is stored at a place.
func (w *worker) sumOf(ctx context.Context, id crate.ID, at store.Placement) (crate.Checksum, error) {
	sum, _, err := w.hash(ctx, id, at, io.Discard)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		err = &unreadableError{fmt.Errorf("reading %s, which is held: %w", id, err)}
	}
	return sum, err
}

// refusedAgain sorts out why upstream did not give the new bytes. Where it gives
// out those of before, a cache between here and there has not heard of the
// change (crates.io#10887): nothing is wrong with them, and later passes ask again,
// in which caches are told to look.
func (w *worker) refusedAgain(res *result, err error, others []catalog.Version) error {
	var sent *crate.ChecksumError
	if errors.As(err, &sent) {
		for i := range others {
			if others[i].Checksum == sent.Got {
				return fmt.Errorf("upstream still gives out the bytes that it had before; a later run asks again: %w", err)
			}
		}
	}
	return w.refused(res, err)
}
