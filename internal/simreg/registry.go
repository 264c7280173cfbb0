package simreg

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Registry is the published versions, the faults to come and the counts of
// what was asked. All methods may be called concurrently.
type Registry struct {
	seed uint64 // of the noise in crate files

	mu      sync.RWMutex
	records map[crate.ID]*record
	files   map[string][]*record // by index path, in order of publication
	dl      string               // for config.json
	commits int                  // made by CommitIndex and Squash

	script script
}

// record is one published version. It never changes: a registry replaces it.
type record struct {
	spec     Version
	revision int
	once     sync.Once
	sum      crate.Checksum // of the crate file, once it was needed
}

// New returns a registry of the given versions, in order of publication. It
// panics if one has no valid id or is there twice: specifications are part of
// the program.
func New(versions ...Version) *Registry { return newRegistry(0, versions) }

func newRegistry(seed uint64, versions []Version) *Registry {
	r := &Registry{
		seed:    seed,
		records: make(map[crate.ID]*record, len(versions)),
		files:   make(map[string][]*record),
		dl:      "https://static.crates.io/crates",
	}
	r.script.init()
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
		rec := &record{spec: v}
		r.records[id] = rec
		path := crate.IndexPath(v.Name)
		r.files[path] = append(r.files[path], rec)
	}
}

// Remove deletes a version, line and file, as crates.io may do within 72
// hours. Removing what is not there does nothing.
func (r *Registry) Remove(id crate.ID) { r.swap(id, nil) }

// Yank sets the yanked flag of a version. It panics if there is none.
func (r *Registry) Yank(id crate.ID, yanked bool) {
	old := r.mustRecord(id)
	rec := &record{spec: old.spec, revision: old.revision}
	rec.spec.Yanked = yanked
	r.swap(id, rec)
}

// ReplaceBytes gives a version other bytes and the checksum that belongs to
// them, which must never happen and has happened (row A8 of the fault
// catalogue). It panics if there is no such version.
func (r *Registry) ReplaceBytes(id crate.ID) {
	old := r.mustRecord(id)
	r.swap(id, &record{spec: old.spec, revision: old.revision + 1})
}

// swap puts rec in the place of the record of id, or nothing if rec is nil.
func (r *Registry) swap(id crate.ID, rec *record) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.records[id]
	path := crate.IndexPath(id.Name)
	at := slices.Index(r.files[path], old)
	switch {
	case old == nil:
	case rec != nil:
		r.records[id] = rec
		r.files[path][at] = rec
	default:
		delete(r.records, id)
		r.files[path] = slices.Delete(r.files[path], at, at+1)
		if len(r.files[path]) == 0 {
			delete(r.files, path)
		}
	}
}

// IDs returns every version, sorted by name and then as text.
func (r *Registry) IDs() []crate.ID {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return slices.SortedFunc(maps.Keys(r.records), compareIDs)
}

// Len returns the number of versions.
func (r *Registry) Len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.records)
}

// Entry returns the index line of a version, without the line feed, or
// fs.ErrNotExist.
func (r *Registry) Entry(id crate.ID) ([]byte, error) {
	rec, err := r.record(id)
	if err != nil {
		return nil, err
	}
	return r.line(rec), nil
}

// Checksum returns the SHA-256 of a version's crate file, or fs.ErrNotExist.
func (r *Registry) Checksum(id crate.ID) (crate.Checksum, error) {
	rec, err := r.record(id)
	if err != nil {
		return crate.Checksum{}, err
	}
	return r.checksum(rec), nil
}

// CrateBytes returns the crate file of a version, or fs.ErrNotExist.
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

// bytes builds the crate file, and its checksum in passing.
func (r *Registry) bytes(rec *record) []byte {
	data := archive(&rec.spec, rec.revision, r.seed)
	rec.once.Do(func() { rec.sum = sha256.Sum256(data) })
	return data
}

func (r *Registry) checksum(rec *record) crate.Checksum {
	rec.once.Do(func() { rec.sum = sha256.Sum256(archive(&rec.spec, rec.revision, r.seed)) })
	return rec.sum
}

func (r *Registry) line(rec *record) []byte { return entryLine(&rec.spec, r.checksum(rec)) }
