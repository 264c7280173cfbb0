// Package root is the format of a mirror in a bucket: the one object that says what
// the mirror is, who may change it, and how it is changed. This comment is the
// specification; format 1.
//
// # Objects
//
// Below the prefix of the bucket:
//
//	mirror.json                       the root: what the mirror is
//	lease.json                        who may write, and until when
//	bundles/bundle-0000.tar.zst       bundles, and the lists beside them
//	bundles/bundle-0000-aa__zz.manifest.jsonl
//	deep/deep-0000.zst                segments of the deep archive
//	index/COMMIT-EPOCH.bundle         the index, as a chain of bundles of git
//	catalog/GENERATION.db.zst         a snapshot of the catalog, for a fast start
//
// Every object but the two .json is written once and never again. Only what the root
// names is part of the mirror, by its name, size and SHA-256. Any other object is a
// leftover of a writer that was cut off: it is listed for people, and never removed
// by its age, since clocks differ.
//
// # The root
//
// One JSON object in the form in which [Root.Append] writes it: no spaces, fields in
// the order of [Root], lists sorted by name (the chain of the index by its order), and
// a newline at the end. A root in any other form, with a field that is not known, or
// of another format is refused. It has at most [MaxSize] bytes.
//
// It is replaced by compare-and-swap alone, by a writer that holds a lease. Each root
// has a generation one above its parent's, and the SHA-256 of its parent.
//
// # Writers, leases and fencing
//
// A writer holds all of the mirror (shard "") or a shard of it ("3/8": of 8, counted
// from 0). Each time that a lease is taken, it gets an epoch, higher than any
// before, and the first thing that its holder does is to put it into the root. A root
// is replaced only by a writer whose epoch still stands there. So a writer that slept
// through the end of its lease loses, when it wakes up, and can harm nothing; this
// rests on the compare-and-swap of the root, not on a clock.
//
// # Numbers
//
// A bundle gets its number before it is in the root. A writer takes a window of numbers
// in the root first ([Session.TakeBundle]), and no other one uses those, so that what a
// writer that lost its lease still has on its disk keeps its name and can be pushed
// later. A mirror folder that writes again continues in its window; another one begins
// behind it.
package root

import (
	"encoding/json"
	"iter"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// The names of the objects that are replaced, and of the folders of the others.
const (
	Name      = "mirror.json"
	LeaseName = "lease.json"

	BundlesDir = "bundles"
	DeepDir    = "deep"
	IndexDir   = "index"
	CatalogDir = "catalog"
)

// Format is that of the roots that this program writes, and reads.
const Format = 1

// MaxSize bounds a root, in bytes: 64 MiB are 200,000 bundles.
const MaxSize = 64 << 20

// Root is what a mirror in a bucket is. The zero Root, of generation 0, is none yet.
type Root struct {
	Format     int               `json:"format"`
	ID         string            `json:"id"`         // random, of the mirror: all its roots have the same
	Generation int64             `json:"generation"` // from 1
	Parent     crate.Checksum    `json:"parent"`     // of the bytes of the root before; zero: there was none
	Written    time.Time         `json:"written"`    // UTC, whole seconds
	Epoch      int64             `json:"epoch"`      // the highest that a writer ever had
	Writers    map[string]Writer `json:"writers"`    // by shard
	Index      Index             `json:"index"`
	Catalog    *Snapshot         `json:"catalog,omitempty"`
	Bundles    []File            `json:"bundles"`
	Segments   []File            `json:"segments"`
	// Superseded are keys of objects that a root before named: the round after the next
	// removes them, when no reader goes by that root any more.
	Superseded []string `json:"superseded,omitempty"`
}

// Writer is what the root knows of the writer of a shard.
type Writer struct {
	Epoch int64  `json:"epoch"` // 0: no writer may write the shard, until a lease of it is taken
	ID    string `json:"id"`    // random, of the mirror folder that wrote last
	Owner string `json:"owner"` // for people: where that is

	Bundles  Window `json:"bundles"` // numbers that are its own
	Segments Window `json:"segments"`

	// What the last round that came to its end found.
	Commit   string    `json:"commit"`        // of the index; empty: no round came to its end yet
	Complete bool      `json:"complete"`      // all is held that the index names of the shard
	Crates   int64     `json:"crates"`        // with a version that is held
	Versions int64     `json:"versions"`      // held
	Bytes    int64     `json:"bytes"`         // of all that is held
	Missing  int64     `json:"missing"`       // versions that the index names and are not held
	Time     time.Time `json:"time,omitzero"` // when it ended, UTC, whole seconds; zero if none did
}

// Window is a range of numbers.
type Window struct {
	First int `json:"first"`
	Next  int `json:"next"` // the first beyond it
}

// Index is the index of the mirror, as the bundles of git that together have it.
type Index struct {
	Branch string `json:"branch"`
	Commit string `json:"commit"` // of the last of the chain; empty: there is none
	Chain  []File `json:"chain"`  // COMMIT-EPOCH.bundle: the first has everything, each later one what came since
}

// Snapshot is a copy of the catalog. Nothing depends on it: the lists say the same.
type Snapshot struct {
	File
	Generation int64 `json:"generation"` // of the root whose files it has all
}

// File is an object that never changes.
type File struct {
	Name   string         `json:"name"` // below its folder
	Size   int64          `json:"size"` // in bytes
	SHA256 crate.Checksum `json:"sha256"`
	// Of bundles and segments: crates in it, their bytes, and the shard that wrote it.
	Entries int    `json:"entries,omitempty"`
	Bytes   int64  `json:"bytes,omitempty"`
	Shard   string `json:"shard,omitempty"`
	// Lists are the files beside it, in the same folder: the manifest.
	Lists []File `json:"lists,omitempty"`
}

// Key is the key of an object in one of the folders.
func Key(dir, name string) string { return dir + "/" + name }

// Objects yields the key of every object that the root names, in no order.
func (r *Root) Objects() iter.Seq[string] {
	return func(yield func(string) bool) {
		for dir, files := range map[string][]File{BundlesDir: r.Bundles, DeepDir: r.Segments, IndexDir: r.Index.Chain} {
			for i := range files {
				if !yield(Key(dir, files[i].Name)) {
					return
				}
				for _, l := range files[i].Lists {
					if !yield(Key(dir, l.Name)) {
						return
					}
				}
			}
		}
		if r.Catalog != nil {
			yield(Key(CatalogDir, r.Catalog.Name))
		}
	}
}

// Supersede notes what before named and this root does not.
func (r *Root) Supersede(before *Root) {
	named := map[string]bool{}
	for key := range r.Objects() {
		named[key] = true
	}
	r.Superseded = slices.DeleteFunc(slices.Clone(r.Superseded), func(key string) bool { return named[key] })
	for key := range before.Objects() {
		if !named[key] && !slices.Contains(r.Superseded, key) {
			r.Superseded = append(r.Superseded, key)
		}
	}
}

// Append appends the root in its one form.
func (r *Root) Append(b []byte) ([]byte, error) {
	data, err := json.Marshal(r.sorted())
	if err != nil {
		return nil, err
	}
	return append(append(b, data...), '\n'), nil
}
