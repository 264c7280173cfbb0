package extract

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io/fs"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// A version that was deleted and published again is in an earlier bundle with other bytes
// than in a later one, or in one bundle with both. The index says which are the version's
// current bytes. Without an index, it is those in the bundle with the highest number, and
// of these the last ones: the mirror added them last, and tar leaves them under the name.
// The others are not damage, as long as the manifest names them.

// maxClaims is the largest number of checksums that a manifest may name for one version; no
// version is published as often while a bundle is written.
const maxClaims = 16

// maxEarlier bounds how many earlier bytes are remembered until everything was read.
const maxEarlier = 1 << 16

// newest has, for versions that manifests name with several checksums, the highest number
// of a bundle with them, by a hash of the version.
type newest struct {
	seed maphash.Seed
	of   map[uint64]int
}

// claimLine is a line of a manifest in 24 bytes; all of them are in memory while they are
// sorted.
type claimLine struct {
	id, sum uint64
	number  int
}

func (n *newest) key(id crate.ID) uint64 { return maphash.Comparable(n.seed, id) }

// collect builds it from all manifests.
func (n *newest) collect(lines []claimLine) {
	slices.SortFunc(lines, func(a, b claimLine) int { return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.sum, b.sum)) })
	n.of = map[uint64]int{}
	for len(lines) > 0 {
		end, highest := 1, lines[0].number
		for end < len(lines) && lines[end].id == lines[0].id {
			highest = max(highest, lines[end].number)
			end++
		}
		if lines[end-1].sum != lines[0].sum {
			n.of[lines[0].id] = highest
		}
		lines = lines[end:]
	}
}

// isLater reports whether a bundle with a higher number has the version's current bytes.
func (r *run) isLater(bundleName string, id crate.ID) bool {
	if len(r.newest.of) == 0 {
		return false
	}
	highest, several := r.newest.of[r.newest.key(id)]
	return several && highest > numberOf(bundleName)
}

// numberOf returns the number of a bundle; one without a number is before all others.
func numberOf(bundleName string) int {
	name, err := bundle.ParseFileName(bundleName)
	if err != nil {
		return -1
	}
	return name.Number
}

// others handles a member without the version's checksum: earlier bytes, or something else.
func (r *run) others(t *task, got crate.Checksum) error {
	if !slices.Contains(t.claims, got) || !r.remember(t, got) {
		return t.problem(Wrong, mismatch(&t.Member, got, t.want))
	}
	r.cfg.Progress.superseded.Add(1)
	if r.cfg.Superseded {
		t.want, t.superseded = got, true
		return nil
	}
	return errEarlier
}

// errEarlier says that a member has earlier bytes of its version, which are not wanted.
var errEarlier = errors.New("earlier bytes")

// remember makes the run look for the version's current bytes after everything was read. It
// returns false if there are too many.
func (r *run) remember(t *task, got crate.Checksum) bool {
	r.earlier.mu.Lock()
	defer r.earlier.mu.Unlock()
	if r.earlier.of == nil {
		r.earlier.of = map[crate.ID]task{}
	}
	if _, known := r.earlier.of[t.ID]; !known && len(r.earlier.of) == maxEarlier {
		return false
	}
	r.earlier.of[t.ID] = task{bundle: t.bundle, Member: bundle.Member{ID: t.ID, Checksum: got}, want: t.want, later: t.later, yanked: t.yanked}
	return true
}

// lookForCurrent reports versions for which only earlier bytes were found.
func (r *run) lookForCurrent(ctx context.Context) error {
	for _, id := range sorted(r.earlier.of) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		t := r.earlier.of[id]
		there, err := nothing, error(nil)
		if t.Size, err = r.cfg.Store.Stat(id); err == nil {
			there, err = same, nil
			if !t.later { // otherwise the file was verified when it was stored
				there, err = r.look(ctx, &t)
			}
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return r.settle(&t, err)
		}
		if there != same {
			r.problem(Problem{Missing, t.bundle, id, fmt.Errorf("sha256 of its bytes is %s, as the manifest says, but must be %s: it was published again, and the bundle with those bytes is not here; or bundle and manifest were changed", t.Checksum, t.want)})
		}
	}
	return r.checkpoint(context.WithoutCancel(ctx)) // of what was found
}

// at returns the place of a task's bytes in the store.
func (t *task) at() store.Placement {
	if t.superseded {
		return store.Placement{Loose: true, Republished: t.want.FileKey()}
	}
	return store.Placement{Loose: true}
}

// adoptFile tells the store about a verified file.
func (r *run) adoptFile(t *task) {
	if t.superseded {
		r.cfg.Store.AdoptKept(crate.Key{ID: t.ID, Checksum: t.want})
	} else {
		r.cfg.Store.Adopt(t.ID)
	}
}

// stat returns the size of what stands there.
func (r *run) stat(ctx context.Context, t *task) (int64, error) {
	if !t.superseded {
		return r.cfg.Store.Stat(t.ID)
	}
	f, err := r.cfg.Store.Open(ctx, crate.Key{ID: t.ID}, t.at())
	if err != nil {
		return 0, err
	}
	return f.Size(), f.Close()
}

// shelve moves a file with earlier bytes of the version, as the catalog says, to
// republished/. It writes the row first: a run that is interrupted in between does the same
// again.
func (r *run) shelve(ctx context.Context, t *task) (done bool, err error) {
	if r.cfg.Catalog == nil || t.superseded {
		return false, nil
	}
	f, err := r.cfg.Store.Open(ctx, crate.Key{ID: t.ID}, t.at())
	if err != nil {
		return false, nil // whatever it is, it is no crate file
	}
	sum, err := hash(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return false, err
	}
	row, err := r.cfg.Catalog.ByChecksum(ctx, crate.Key{ID: t.ID, Checksum: sum})
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err == nil {
		err = r.cfg.Catalog.AdoptRepublished(ctx, []catalog.Version{row})
	}
	if err == nil {
		err = r.cfg.Store.MakeWay(row.Key())
	}
	if err != nil {
		return false, fmt.Errorf("keeping the bytes that %s had before: %w", t.ID, err)
	}
	r.cfg.Progress.shelved.Add(1)
	r.cfg.Log.Warn("published again with other bytes: those that it had are kept", "crate", t.ID.Name, "version", t.ID.Version,
		"sha256", t.want, "before", sum, "kept_as", t.ID.RepublishedPath(sum.FileKey()))
	return true, nil
}
