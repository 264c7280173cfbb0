// Package root defines the format of a mirror in a bucket: the object that lists the
// mirror's files, who may change it, and how it is changed. This comment is the
// specification; format 1.
//
// # Objects
//
// Below the prefix of the bucket:
//
//	mirror.json                       the root: the list of the mirror's files
//	lease.json                        who may write, and until when
//	bundles/bundle-0000.tar.zst       bundles, and the lists beside them
//	bundles/bundle-0000-aa__zz.manifest.jsonl
//	deep/deep-0000.zst                segments of the deep archive
//	index/COMMIT-EPOCH.bundle         the index, as a chain of git bundles
//	catalog/GENERATION.db.zst         a snapshot of the catalog, for a fast start
//
// Every object except the two .json files is written once and never changes. Only objects
// that the root names, with name, size and SHA-256, are part of the mirror. Any other
// object is a leftover of an interrupted writer: it is listed for people, but never removed
// because of its age, because clocks differ.
//
// # The root
//
// The root is one JSON object in the form that [Root.Append] writes: no spaces, fields in
// the order of [Root], lists sorted by name (the chain of the index in its order), and a
// newline at the end. A root in any other form, with an unknown field, or in another format
// is refused. It has at most [MaxSize] bytes.
//
// It is only replaced by compare-and-swap, by a writer that holds a lease. Each root has
// its parent's generation plus one, and the SHA-256 of its parent.
//
// # Writers, leases and fencing
//
// A lease is for the whole mirror (shard "") or a shard of it ("3/8": of 8, counted from
// 0). Each new lease gets an epoch higher than any before, and its holder first puts the
// epoch into the root. Only a writer whose epoch is still in the root may replace it. So a
// writer that was suspended past the end of its lease cannot do harm when it resumes; this
// relies on the compare-and-swap of the root, not on a clock.
//
// # Numbers
//
// A bundle gets its number before it is in the root. A writer first reserves a window of
// numbers in the root ([Session.TakeBundle]), which no other writer uses. So a writer that
// lost its lease can push the files on its disk later, with their names unchanged. A mirror
// folder that writes again continues in its window; another one begins after it.
package root

import (
	"encoding/json"
	"iter"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Names of the objects that are replaced, and of the folders of the others.
const (
	Name      = "mirror.json"
	LeaseName = "lease.json"

	BundlesDir = "bundles"
	DeepDir    = "deep"
	IndexDir   = "index"
	CatalogDir = "catalog"
)

// Format is the format of roots that this program reads and writes.
const Format = 1

// MaxSize bounds a root, in bytes: 64 MiB are 200,000 bundles.
const MaxSize = 64 << 20

// Root lists the files of a mirror in a bucket. The zero Root, of generation 0, is no root.
type Root struct {
	Format     int               `json:"format"`
	ID         string            `json:"id"`         // random, of the mirror: the same in all its roots
	Generation int64             `json:"generation"` // from 1
	Parent     crate.Checksum    `json:"parent"`     // checksum of the previous root; zero: none
	Written    time.Time         `json:"written"`    // UTC, whole seconds
	Epoch      int64             `json:"epoch"`      // the highest one of any writer
	Writers    map[string]Writer `json:"writers"`    // by shard
	Index      Index             `json:"index"`
	Catalog    *Snapshot         `json:"catalog,omitempty"`
	Bundles    []File            `json:"bundles"`
	Segments   []File            `json:"segments"`
	// Superseded are keys of objects that an earlier root named. The round after the next
	// removes them, once no reader uses that root.
	Superseded []string `json:"superseded,omitempty"`
}

// Writer is what the root records about the writer of a shard.
type Writer struct {
	Epoch int64  `json:"epoch"` // 0: no writer may write the shard, until a lease of it is taken
	ID    string `json:"id"`    // random, of the mirror folder that wrote last
	Owner string `json:"owner"` // for people: where that is

	Bundles  Window `json:"bundles"` // numbers that are its own
	Segments Window `json:"segments"`

	// Result of the last completed round.
	Commit   string    `json:"commit"`        // of the index; empty: no completed round yet
	Complete bool      `json:"complete"`      // everything that the index names in the shard is held
	Crates   int64     `json:"crates"`        // with a held version
	Versions int64     `json:"versions"`      // held
	Bytes    int64     `json:"bytes"`         // of everything held
	Missing  int64     `json:"missing"`       // versions that the index names and that are not held
	Time     time.Time `json:"time,omitzero"` // when it ended, UTC, whole seconds; zero if none did
}

// Window is a range of numbers.
type Window struct {
	First int `json:"first"`
	Next  int `json:"next"` // the first beyond it
}

// Index is the index of the mirror, as a chain of git bundles.
type Index struct {
	Branch string `json:"branch"`
	Commit string `json:"commit"` // of the last of the chain; empty: there is none
	Chain  []File `json:"chain"`  // COMMIT-EPOCH.bundle: the first has everything, each later one what came since
}

// Snapshot is a copy of the catalog. Nothing depends on it: the lists have the same
// content.
type Snapshot struct {
	File
	Generation int64 `json:"generation"` // of the root whose files it has all
}

// File is an object that never changes.
type File struct {
	Name   string         `json:"name"` // below its folder
	Size   int64          `json:"size"` // in bytes
	SHA256 crate.Checksum `json:"sha256"`
	// For bundles and segments: crates in it, their bytes, and the shard that wrote it.
	Entries int    `json:"entries,omitempty"`
	Bytes   int64  `json:"bytes,omitempty"`
	Shard   string `json:"shard,omitempty"`
	// Lists are the files beside it, in the same folder: the manifest.
	Lists []File `json:"lists,omitempty"`
}

// Key returns the key of an object in one of the folders.
func Key(dir, name string) string { return dir + "/" + name }

// Objects yields the keys of all objects that the root names, in no order.
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

// Supersede records what before named and this root does not.
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

// Append appends the root in its only valid form.
func (r *Root) Append(b []byte) ([]byte, error) {
	data, err := json.Marshal(r.sorted())
	if err != nil {
		return nil, err
	}
	return append(append(b, data...), '\n'), nil
}
