package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// Source is where the entries of a run come from: an index, or a list.
type Source interface {
	// Groups calls want for each crate, in the order of their index paths, and yields the
	// wanted ones in the same order. It calls both functions from the goroutine of its
	// caller; calls of want may be ahead. An error ends the sequence and the run.
	Groups(ctx context.Context, want Want, yield func(*Group) error) error
	// Revision returns the revision of the source, or zero if it has none. Scope says what
	// it means if the source does not name a crate.
	Revision() (catalog.Revision, Scope)
}

// Want reports whether a crate's index file must be read, given its path and git's id of
// its content. The id is empty if only reading the file tells it: then, if known is not
// empty and equals the content's id, the crate's Group has only Same set.
type Want func(path, blob string) (read bool, known string)

// Index is a Source that answers queries about single versions, now and in the past.
type Index interface {
	Source
	// NewLookup returns a lookup, which starts nothing before its first query.
	NewLookup(ctx context.Context) *index.Lookup
	// Names reports whether the source names these bytes.
	Names(ctx context.Context, lookup *index.Lookup, key crate.Key) (bool, error)
	// AbsentSince returns the first commit after since in which the index did not name id,
	// although it did in since; false if no such commit is known.
	AbsentSince(ctx context.Context, id crate.ID, since string) (index.Revision, bool, error)
}

// Scope says how much of the registry a source covers.
type Scope uint8

const (
	Some    Scope = iota // a list of versions: others are published as well
	Changed              // all versions of some crates: other crates are unchanged
	Whole                // all published versions
)

// Group is the entries of one crate's index file.
type Group struct {
	Path    string // in the index; empty: belongs to no crate, and has no Entries
	Blob    string // git id of the content; empty if there is nothing to compare
	Entries []Item // their tasks are not decided yet
	Bad     []BadEntry
	Gone    bool // the crate no longer exists; other fields are empty
	Same    bool // the content is the known one; other fields are empty
	// Whole says that versions that it does not name are no longer published.
	Whole bool
	// Chosen says which of Entries to mirror, yanked or not. If nil, Config.IncludeYanked
	// decides.
	Chosen []bool
}

// BadEntry is something in the source that cannot be mirrored.
type BadEntry struct {
	crate.ID // as far as it was readable
	Err      error
	Violated bool // two authorities name different checksums
	Unnamed  bool // a user asked for it, but the source does not name it: it is not missing
}

// FromIndex makes a Source from an index. Checksums, which may be nil, replace those of the
// index; the crates concerned are never considered unchanged.
func FromIndex(ix *index.Index, sums Checksums) Source {
	s := indexSource{ix, sums, map[string]bool{}}
	for id := range sums {
		s.overridden[crate.IndexPath(id.Name)] = true
	}
	return s
}

type indexSource struct {
	index      *index.Index
	sums       Checksums
	overridden map[string]bool // index paths
}

// Revision implements Source.
func (s indexSource) Revision() (catalog.Revision, Scope) {
	return catalog.Revision{Commit: s.index.Commit(), Time: s.index.CommitTime()}, Whole
}

// Groups implements Source.
func (s indexSource) Groups(ctx context.Context, want Want, yield func(*Group) error) error {
	ask := func(f index.File) (bool, index.Blob) {
		read, known := want(f.Path, s.blob(f))
		if s.overridden[f.Path] {
			known = ""
		}
		return read, git.ParseID(known)
	}
	for c, err := range s.index.Compare(ctx, ask) {
		if err != nil {
			return err
		}
		if err := yield(s.group(c)); err != nil {
			return err
		}
	}
	return nil
}

// FromChanges makes a Source from the crates of an index that have changed since it was
// mirrored, and from the paths of those that were removed.
func FromChanges(changed *index.Index, gone []string) Source {
	return changeSource{indexSource{index: changed}, gone}
}

type changeSource struct {
	indexSource
	gone []string // index paths
}

// Revision implements Source.
func (s changeSource) Revision() (catalog.Revision, Scope) {
	rev, _ := s.indexSource.Revision()
	return rev, Changed
}

// Groups implements Source. It yields all crates, because each of them needs work.
func (s changeSource) Groups(ctx context.Context, want Want, yield func(*Group) error) error {
	if err := s.indexSource.Groups(ctx, want, yield); err != nil {
		return err
	}
	for _, path := range s.gone {
		if err := yield(&Group{Path: path, Gone: true}); err != nil {
			return err
		}
	}
	return nil
}

// AbsentSince implements Index.
func (s indexSource) AbsentSince(ctx context.Context, id crate.ID, since string) (index.Revision, bool, error) {
	return s.index.AbsentSince(ctx, id, since)
}

// Names implements Index. Checksums from elsewhere count as well.
func (s indexSource) Names(ctx context.Context, lookup *index.Lookup, key crate.Key) (bool, error) {
	c, err := lookup.Crate(ctx, key.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	g := s.group(c)
	for i := range g.Entries {
		if e := &g.Entries[i]; pinKey(e.ID) == pinKey(key.ID) {
			return e.Checksum == key.Checksum, nil
		}
	}
	return len(g.Bad) > 0, nil // it may be in the unreadable part
}

// NewLookup implements Index.
func (s indexSource) NewLookup(ctx context.Context) *index.Lookup { return s.index.NewLookup(ctx) }

// blob returns the blob id of a file; it is empty if the id is unknown or does not
// determine the checksums.
func (s indexSource) blob(f index.File) string {
	if f.Blob == (index.Blob{}) || s.overridden[f.Path] {
		return ""
	}
	return f.Blob.String()
}

func (s indexSource) group(c *index.Crate) *Group {
	if c.Same {
		return &Group{Path: c.Path, Same: true}
	}
	g := &Group{Path: c.Path, Blob: s.blob(c.File), Entries: make([]Item, 0, len(c.Entries)), Whole: true}
	for i := range c.Entries {
		e := &c.Entries[i]
		sum := e.Checksum
		if other, ok := s.sums[e.ID]; ok {
			sum = other
		}
		g.Entries = append(g.Entries, Item{ID: e.ID, Checksum: sum, Yanked: e.Yanked})
	}
	// The catalog records a bad entry by its crate until the file is corrected.
	name := path.Base(c.Path)
	for _, bad := range c.Bad {
		id := crate.ID{Name: cmp.Or(bad.ID.Name, name), Version: bad.ID.Version}
		g.Bad = append(g.Bad, BadEntry{ID: id, Err: bad})
	}
	if c.Err != nil {
		g.Bad = append(g.Bad, BadEntry{ID: crate.ID{Name: name}, Err: fmt.Errorf("%s: %w", c.Path, c.Err)})
	} else if len(c.Entries)+len(c.Bad) == 0 {
		g.Bad = append(g.Bad, BadEntry{ID: crate.ID{Name: name}, Err: fmt.Errorf("%s: the index file is empty", c.Path)})
	}
	return g
}

// Checksums has checksums from outside the index, by crate.
type Checksums map[crate.ID]crate.Checksum

// FromList makes a Source from a list of crates, which it holds in memory.
func FromList(entries []Item, bad []BadEntry) Source {
	byPath := map[string][]Item{}
	for _, e := range entries {
		path := crate.IndexPath(e.Name)
		byPath[path] = append(byPath[path], e)
	}
	return listSource{byPath, bad}
}

type listSource struct {
	byPath map[string][]Item
	bad    []BadEntry
}

// Revision implements Source.
func (listSource) Revision() (catalog.Revision, Scope) { return catalog.Revision{}, Some }

// Groups implements Source. A list cannot say that it is unchanged, so every crate of it is
// looked at.
func (s listSource) Groups(ctx context.Context, _ Want, yield func(*Group) error) error {
	if len(s.bad) > 0 {
		if err := yield(&Group{Bad: s.bad}); err != nil {
			return err
		}
	}
	for _, path := range slices.Sorted(maps.Keys(s.byPath)) {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if err := yield(&Group{Path: path, Entries: s.byPath[path]}); err != nil {
			return err
		}
	}
	return nil
}

var errNoChecksum = errors.New("no checksum is known, so nothing could prove the file: give it with -checksums, or the index with -index-dir")
