package simreg

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Registry is the published versions, the injected faults and the counts of requests. All
// methods may be called concurrently.
type Registry struct {
	seed uint64 // for the noise in crate files

	mu      sync.RWMutex
	records map[crate.ID]*record
	files   map[string][]*record // by index path, in order of publication
	past    map[crate.ID][]*record
	dl      string    // for config.json
	clock   time.Time // of the next CommitIndex or Squash

	script script
}

// record is one published version. It never changes: a registry replaces it.
type record struct {
	spec     Version
	revision int
	text     []byte // of its line; nil: derived from spec
	added    time.Time
	once     sync.Once
	sum      crate.Checksum // of the crate file, once needed
}

// New returns a registry of the given versions, in order of publication. It panics if an id
// is invalid or there twice, because specifications are part of the program.
func New(versions ...Version) *Registry { return newRegistry(0, versions) }

func newRegistry(seed uint64, versions []Version) *Registry {
	r := &Registry{
		seed:    seed,
		records: make(map[crate.ID]*record, len(versions)),
		files:   make(map[string][]*record),
		past:    make(map[crate.ID][]*record),
		clock:   commitEpoch,
		dl:      "https://static.crates.io/crates",
	}
	r.script.init(seed)
	r.Add(versions...)
	return r
}

// Add publishes more versions. It panics as New does.
func (r *Registry) Add(versions ...Version) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, v := range versions {
		id := v.ID()
		if err := id.Check(); err != nil {
			panic("simreg: adding a version: " + err.Error())
		}
		if r.records[id] != nil {
			panic(fmt.Sprintf("simreg: adding %s, which was there", id))
		}
		rec := &record{spec: v, added: time.Now()}
		r.records[id] = rec
		path := crate.IndexPath(v.Name)
		r.files[path] = append(r.files[path], rec)
	}
}

// Remove deletes a version, line and file, as crates.io may do within 72 hours. It does
// nothing if the version does not exist.
func (r *Registry) Remove(id crate.ID) { r.swap(id, nil) }

// Restore publishes a removed version again, as the newest version of its crate, with its
// last bytes or earlier ones: sum is one of Past. It panics if there are none, or if the
// version was not removed.
func (r *Registry) Restore(id crate.ID, sum crate.Checksum) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := slices.IndexFunc(r.past[id], func(rec *record) bool { return r.checksum(rec) == sum })
	if at < 0 || r.records[id] != nil {
		panic(fmt.Sprintf("simreg: restoring %s %s, which was not deleted", id, sum))
	}
	rec := r.past[id][at]
	path := crate.IndexPath(id.Name)
	r.records[id] = rec
	r.files[path] = append(r.files[path], rec)
}

// Yank sets the yanked flag of a version. It panics if the version does not exist.
func (r *Registry) Yank(id crate.ID, yanked bool) {
	old := r.mustRecord(id)
	rec := &record{spec: old.spec, revision: old.revision, text: setYanked(old.text, yanked)}
	rec.spec.Yanked = yanked
	r.swap(id, rec)
}

// ReplaceBytes gives a version other bytes and their checksum, in place: no trustworthy
// registry does that (row A8 of the fault catalogue). Between Remove and Restore it is what
// crates.io allows owners. It panics if the version does not exist, or has the line of a
// real index.
func (r *Registry) ReplaceBytes(id crate.ID) {
	old := r.mustRecord(id)
	if old.text != nil {
		panic(fmt.Sprintf("simreg: replacing the bytes of %s, whose line names others: use SetCrate", id))
	}
	r.swap(id, &record{spec: old.spec, revision: old.revision + 1})
}

// swap replaces the record of id by rec, or removes it if rec is nil.
func (r *Registry) swap(id crate.ID, rec *record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.records[id]
	path := crate.IndexPath(id.Name)
	at := slices.Index(r.files[path], old)
	switch {
	case old == nil:
	case rec != nil:
		r.forget(old)
		r.records[id] = rec
		r.files[path][at] = rec
	default:
		r.forget(old)
		r.files[path] = slices.Delete(r.files[path], at, at+1)
		if len(r.files[path]) == 0 {
			delete(r.files, path)
		}
	}
}

// forget moves a record from the versions to the past.
func (r *Registry) forget(rec *record) {
	id := rec.spec.ID()
	delete(r.records, id)
	r.past[id] = append(r.past[id], rec)
}

// Past returns the checksums of a version's earlier bytes, in order, without the current
// ones.
func (r *Registry) Past(id crate.ID) []crate.Checksum {
	r.mu.RLock()
	past, now := slices.Clone(r.past[id]), r.records[id]
	r.mu.RUnlock()
	var sums []crate.Checksum
	for _, rec := range past {
		sum := r.checksum(rec)
		if !slices.Contains(sums, sum) && (now == nil || sum != r.checksum(now)) {
			sums = append(sums, sum)
		}
	}
	return sums
}

// IDs returns every version, sorted by name and then as text.
func (r *Registry) IDs() []crate.ID {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.SortedFunc(maps.Keys(r.records), compareIDs)
}

// Gone returns the versions that were removed and not restored, sorted as IDs.
func (r *Registry) Gone() []crate.ID {
	r.mu.RLock()
	defer r.mu.RUnlock()
	var gone []crate.ID
	for id := range r.past {
		if r.records[id] == nil {
			gone = append(gone, id)
		}
	}
	slices.SortFunc(gone, compareIDs)
	return gone
}

// Len returns the number of versions.
func (r *Registry) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.records)
}

// Entry returns the index line of a version, without the line feed. Errors: fs.ErrNotExist.
func (r *Registry) Entry(id crate.ID) ([]byte, error) {
	rec, err := r.record(id)
	if err != nil {
		return nil, err
	}
	return r.line(rec), nil
}

// Checksum returns the SHA-256 of a version's crate file. Errors: fs.ErrNotExist.
func (r *Registry) Checksum(id crate.ID) (crate.Checksum, error) {
	rec, err := r.record(id)
	if err != nil {
		return crate.Checksum{}, err
	}
	return r.checksum(rec), nil
}

// CrateBytes returns the crate file of a version. Errors: fs.ErrNotExist.
func (r *Registry) CrateBytes(id crate.ID) ([]byte, error) {
	rec, err := r.record(id)
	if err != nil {
		return nil, err
	}
	return r.bytes(rec), nil
}

func (r *Registry) record(id crate.ID) (*record, error) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if rec := r.records[id]; rec != nil {
		return rec, nil
	}
	return nil, fmt.Errorf("looking up %s in the simulated registry: %w", id, fs.ErrNotExist)
}

func (r *Registry) mustRecord(id crate.ID) *record {
	rec, err := r.record(id)
	if err != nil {
		panic("simreg: " + err.Error())
	}
	return rec
}

// bytes builds the crate file, and sets its checksum.
func (r *Registry) bytes(rec *record) []byte {
	data := archive(&rec.spec, rec.revision, r.seed)
	rec.once.Do(func() { rec.sum = sha256.Sum256(data) })
	return data
}

func (r *Registry) checksum(rec *record) crate.Checksum {
	rec.once.Do(func() { rec.sum = sha256.Sum256(archive(&rec.spec, rec.revision, r.seed)) })
	return rec.sum
}

func (r *Registry) line(rec *record) []byte {
	if rec.text != nil {
		return rec.text
	}
	return entryLine(&rec.spec, r.checksum(rec))
}
