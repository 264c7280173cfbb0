package attest

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/statement"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// fakeIndex is an index in memory.
type fakeIndex struct {
	commit int
	crates map[string][]index.Entry // by path
	bad    map[string][]*index.LineError
	read   []string // paths of files read
}

func (x *fakeIndex) Commit() string        { return fmt.Sprintf("%040d", x.commit) }
func (x *fakeIndex) CommitTime() time.Time { return time.Unix(1_700_000_000+int64(x.commit), 0) }

func (x *fakeIndex) Crates(_ context.Context, want func(index.File) bool) iter.Seq2[*index.Crate, error] {
	return func(yield func(*index.Crate, error) bool) {
		var wanted []index.File
		for _, path := range slices.Sorted(maps.Keys(x.crates)) { // reads ahead, as the real index does
			if f := (index.File{Path: path, Blob: x.blob(path)}); want(f) {
				wanted = append(wanted, f)
			}
		}
		for _, f := range wanted {
			x.read = append(x.read, f.Path)
			if !yield(&index.Crate{File: f, Entries: x.crates[f.Path], Bad: x.bad[f.Path]}, nil) {
				return
			}
		}
	}
}

func (x *fakeIndex) blob(path string) (b index.Blob) {
	sum := sha256.Sum256(fmt.Append(nil, x.crates[path]))
	copy(b[:], sum[:])
	return b
}

// world is a mirror with its statements.
type world struct {
	t       testing.TB
	ix      *fakeIndex
	catalog *catalog.Catalog
	path    string // of the catalog
	disk    *durabletest.Mem
	key     ed25519.PrivateKey
	now     time.Time
	partial bool
	newKeys bool
}

func newWorld(t testing.TB) *world {
	t.Helper()
	w := &world{
		t: t, ix: &fakeIndex{crates: map[string][]index.Entry{}, bad: map[string][]*index.LineError{}}, disk: durabletest.NewMem(),
		path: filepath.Join(t.TempDir(), "catalog.db"), key: ed25519.NewKeyFromSeed(make([]byte, 32)), now: time.Unix(1_800_000_000, 0),
	}
	w.open()
	return w
}

func (w *world) open() {
	w.t.Helper()
	c, err := catalog.Open(w.path)
	if err != nil {
		w.t.Fatal(err)
	}
	w.catalog = c
	w.t.Cleanup(func() { _ = c.Close() })
}

// keyOf returns a version whose content is bytes.
func keyOf(name, version, bytes string) crate.Key {
	return crate.Key{ID: crate.ID{Name: name, Version: version}, Checksum: sha256.Sum256([]byte(name + version + bytes))}
}

// lists replaces the index's entries of these crates.
func (w *world) lists(keys ...crate.Key) {
	seen := map[string]bool{}
	for _, key := range keys {
		path := crate.IndexPath(key.Name)
		if !seen[path] {
			w.ix.crates[path], seen[path] = nil, true
		}
		w.ix.crates[path] = append(w.ix.crates[path], index.Entry{ID: key.ID, Checksum: key.Checksum})
	}
	w.ix.commit++
}

// holds adds rows to the catalog, as a run that mirrored the versions does.
func (w *world) holds(keys ...crate.Key) {
	w.t.Helper()
	var b catalog.Batch
	for _, key := range keys {
		b.Versions = append(b.Versions, catalog.Version{
			ID: key.ID, Checksum: key.Checksum, Size: 1, Placement: store.Placement{Loose: true}, Listed: true, VerifiedAt: w.now,
		})
		path := crate.IndexPath(key.Name)
		b.Crates = append(b.Crates, catalog.Crate{Path: path, Blob: w.ix.blob(path).String(), Yanked: true})
	}
	if err := w.catalog.Commit(w.t.Context(), b); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) config(disk durable.FS) Config {
	return Config{
		Index: w.ix, Catalog: w.catalog, Folder: disk, Origin: "mirror.example", Partial: w.partial, NewKeys: w.newKeys,
		Sign: func(text string) ([]byte, error) {
			return note.Sign(&note.Note{Text: text}, &signer{w.key, w.verifier()})
		},
		Verify: statement.NoteVerify(w.verifier()), Sync: func() error { return nil },
		Now: func() time.Time { w.now = w.now.Add(time.Minute); return w.now },
	}
}

func (w *world) verifier() note.Verifier {
	vkey, err := note.NewEd25519VerifierKey("mirror.example", w.key.Public().(ed25519.PublicKey))
	if err != nil {
		panic(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		panic(err)
	}
	return v
}

type signer struct {
	key ed25519.PrivateKey
	note.Verifier
}

func (s *signer) Sign(msg []byte) ([]byte, error) { return ed25519.Sign(s.key, msg), nil }

// attest makes a statement, which must succeed.
func (w *world) attest() *Result {
	w.t.Helper()
	r, err := Run(w.t.Context(), w.config(w.disk))
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// log returns the lines of the log, abbreviated.
func (w *world) log(disk durable.Reader) string {
	w.t.Helper()
	var lines []string
	for key, err := range open(w.t, disk).Leaves(w.t.Context(), 0, open(w.t, disk).N) {
		if err != nil {
			w.t.Fatal(err)
		}
		lines = append(lines, key.ID.String())
	}
	return strings.Join(lines, ", ")
}
