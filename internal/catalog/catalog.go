// Package catalog remembers what a mirror holds: a SQLite database that other programs
// may query while a mirror is being written (WAL mode), for example
//
//	sqlite3 catalog.db "SELECT name, version, size FROM versions ORDER BY size DESC LIMIT 10"
//	sqlite3 catalog.db "SELECT lower(hex(sha256)) FROM versions WHERE name='serde' AND version='1.0.0'"
//
// The catalog is a convenience, never the source of truth: the crate files are. Lost or
// damaged, it is built again by hashing them. What it saves is that hashing, and it holds
// the pins: a version's checksum as it was when we first verified it, against which a
// registry that changes its mind is caught.
//
// # Tables
//
// versions, one row for the bytes of a crate version held. A version that was
// deleted and published again has several, told apart by their checksums:
//
//	name, version   as published; names compare without case
//	sha256, size    of the bytes held: 32 bytes, and their number
//	loose           1 if there is a loose file; 2 if it stands in republished/,
//	                because other bytes are the version's
//	bundle, offset, length
//	                the bundle that holds it, if any, and where in it
//	yanked, listed  what the index said last; listed=0: it does not name these bytes
//	verified_at     when we last hashed it and found what the index names, Unix
//	                seconds; 0: it was found in a bundle or came out of one (and
//	                hashes to sha256), and no index has confirmed it yet. Such
//	                a row is no pin.
//	superseded_at   when other bytes took the place of these, Unix seconds; 0:
//	                these are the version's (since format 4)
//	leaf            number of these bytes in the log of statements (package
//	                statement), from 1; 0: they are not in it, or that is not known
//	                here yet (since format 5)
//	segment, pack, pack_size, number
//	                the segment of the deep archive from which it can be rebuilt, if
//	                any: offset and size of the pack in it, and the number of these
//	                bytes in that (since format 6)
//
// removed, one row each time that the index stopped naming bytes that are held
// (since format 4):
//
//	name, version, sha256
//	                the bytes
//	seen            when that was seen, Unix seconds
//	commit_id, commit_time
//	                the index commit in which it was seen, and its time
//	scope           what the index does not name any more: 'crate', 'version', or
//	                'checksum' if it names other bytes of the version
//	returned        when the index named them again, Unix seconds; 0: not yet
//
// accepted, one row for bytes that a person accepted as those of a version that
// is held with other bytes (since format 4):
//
//	name, version, sha256
//	                the bytes that the index names
//	at              when, Unix seconds
//
// crates, one row a crate with a held version that the index lists:
//
//	path, blob      index file and the git id of the content that was mirrored;
//	                empty: not all is held that the file names
//	yanked          1 if that included yanked versions
//
// gone, one row a version that the index names and upstream does not give out
// (HTTP 403, 404, 410, 451), until it does:
//
//	name, version   as above
//	status          what upstream answered last
//	evidence        and how: headers and the beginning of the body
//	since           when it was first refused, Unix seconds
//
// missing, one row a version (or an entry of the index that cannot be mirrored) that the
// last run that looked at it asked for in vain, until it is held or refused (since
// format 7):
//
//	name, version   as above
//	reason          why, in one line
//	since, tried    when it was asked for first, and last, Unix seconds
//
// logged, one row: up to where leaves of the log of statements are in versions
// (since format 5):
//
//	size, root      leaves of the log, and the root of the tree over them
//
// names, one row a crate with a held version that the index lists, or
// that was not compared with the index: what can be searched without reading all of
// versions (since format 3)
//
//	id, name        ids only grow; a crate that comes back gets a new one
//
// bundles, one row a bundle that a row of versions ever spoke of:
//
//	name            its file name
//	whole           1 if it is finished and every crate in it has its row
//	entries, bytes  crates in it, and their bytes; 0 before that, and once it was
//	                removed
//	sha256          of the bundle; empty before that
//
// segments, the same of the segments of the deep archive (since format 6)
//
// taken, one row a bundle of v1.1.0 whose crates were put into the store, so that
// it is not read again:
//
//	name            its file name
//	size, modified  bytes, and nanoseconds since 1970: what tells it from another
//
// source, one row: the commit of the index that was mirrored last, in whole or
// in part, and its time in Unix seconds.
//
// A row is committed only after the bytes that it speaks of are durable.
package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Version is a row of versions.
type Version struct {
	crate.ID
	Checksum crate.Checksum
	Size     int64
	store.Placement
	Yanked, Listed bool
	VerifiedAt     time.Time // zero: found in a bundle; no index has named these bytes yet
	SupersededAt   time.Time // zero: these are the version's bytes
	Leaf           int64     // number in the log of statements, from 1; 0: none. Commit leaves it as it is
}

// Key identifies the bytes.
func (v *Version) Key() crate.Key { return crate.Key{ID: v.ID, Checksum: v.Checksum} }

// Crate is a row of crates.
type Crate struct {
	Path   string
	Blob   string
	Yanked bool
}

// Bundle is a row of bundles, or of segments.
type Bundle struct {
	Name     string
	Whole    bool
	Entries  int
	Bytes    int64
	Checksum crate.Checksum // zero unless Whole
}

// Taken is a row of taken.
type Taken struct {
	Name     string
	Size     int64
	Modified time.Time
}

// Gone is a row of gone.
type Gone struct {
	crate.ID
	Status   int
	Evidence string
	Since    time.Time
}

// Revision is the row of source.
type Revision struct {
	Commit string
	Time   time.Time
}

// Batch is what one Commit writes; rows of the same key are replaced, but a
// version stays gone since it was first. A version held is no longer gone. A
// bundle or segment that a version is in gets its row by that.
type Batch struct {
	Versions []Version
	Bundles  []Bundle
	Segments []Bundle
	Taken    []Taken
	Crates   []Crate
	Gone     []Gone
	Missing  []Missing
	Revision *Revision // nil: as it was
	// Vanished are paths of crates that are no longer in the index: they are
	// not complete any more, and their versions are not listed.
	Vanished []string
	// Removed are bytes that the index does not name any more, although it has
	// the crate.
	Removed  []Removal
	Accepted []crate.Key // other bytes of a version that is held, which may become it
	// At is the index that Vanished speaks of.
	At Revision
	// Dropped are bytes that are not held any more; their crates are not
	// complete any more, either.
	Dropped []crate.Key
}

func (b *Batch) empty() bool {
	return len(b.Versions) == 0 && len(b.Bundles) == 0 && len(b.Segments) == 0 && len(b.Taken) == 0 && len(b.Crates) == 0 && len(b.Gone)+len(b.Missing) == 0 &&
		b.Revision == nil && len(b.Vanished) == 0 && len(b.Dropped) == 0 &&
		len(b.Removed) == 0 && len(b.Accepted) == 0
}

// Totals says how much is held.
type Totals struct {
	Crates, Versions, Bytes int64
	Superseded              int64 // of Versions: bytes whose place others have taken
	Removed                 int64 // of Versions: the index does not name them any more, nor other bytes
}

// ErrDamaged: the file is there but is not a catalog that SQLite can read.
var ErrDamaged = errors.New("catalog is damaged")

// Catalog is an open catalog. Its methods may be called concurrently.
type Catalog struct {
	db       *sql.DB
	writable bool
	format   atomic.Int64 // of the tables; a reader's may be of an earlier program
	versions *sql.Stmt    // of Versions, which a run calls for every crate
	version  *sql.Stmt    // of Version, which a server calls for every crate file
	bytesOf  *sql.Stmt    // of BytesOf, which a run calls for versions that were published again
	anyGone  atomic.Bool  // gone has rows; almost always it has none

	anyMissing atomic.Bool // missing has rows
}

// WasGone reports whether upstream refused id when it was last asked.
func (c *Catalog) WasGone(ctx context.Context, id crate.ID) (bool, error) {
	if !c.anyGone.Load() {
		return false, nil
	}
	var n int
	err := c.db.QueryRowContext(ctx, "SELECT count(*) FROM gone WHERE name = ? AND version = ?", id.Name, id.Version).Scan(&n)
	if err != nil {
		return false, fmt.Errorf("looking up %s in the catalog: %w", id, classify(err))
	}
	return n > 0, nil
}

// Gone yields what upstream refused when it was last asked, in the order of names. The
// sequence ends after an error.
func (c *Catalog) Gone(ctx context.Context) iter.Seq2[Gone, error] {
	scan := func(rows *sql.Rows) (g Gone, err error) {
		var since int64
		err = rows.Scan(&g.Name, &g.Version, &g.Status, &g.Evidence, &since)
		g.Since = fromUnix(since)
		return g, err
	}
	return each(ctx, c, "what is gone", scan, "SELECT name, version, status, evidence, since FROM gone ORDER BY name, version")
}

// Revision returns what the index was that was mirrored last; zero: none.
func (c *Catalog) Revision(ctx context.Context) (Revision, error) {
	var r Revision
	var at int64
	err := c.db.QueryRowContext(ctx, "SELECT commit_id, commit_time FROM source").Scan(&r.Commit, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return r, nil
	}
	if err != nil {
		return r, fmt.Errorf("reading the last index commit from the catalog: %w", classify(err))
	}
	r.Time = time.Unix(at, 0).UTC()
	return r, nil
}

// Totals counts what is held.
func (c *Catalog) Totals(ctx context.Context) (Totals, error) {
	var t Totals
	superseded, removed := "0", "1"
	if c.format.Load() >= tablesOf4 {
		superseded = "superseded_at <> 0"
		removed = `NOT EXISTS (SELECT 1 FROM removed r WHERE r.name = v.name AND r.version = v.version AND r.sha256 = v.sha256
			AND returned = 0 AND scope = '` + RemovedChecksum + `')`
	}
	err := c.db.QueryRowContext(ctx, `SELECT count(DISTINCT name), count(*), coalesce(sum(size), 0), coalesce(sum(`+superseded+`), 0),
		coalesce(sum(CASE WHEN listed = 0 AND verified_at <> 0 AND NOT `+superseded+` THEN `+removed+` ELSE 0 END), 0) FROM versions v`).
		Scan(&t.Crates, &t.Versions, &t.Bytes, &t.Superseded, &t.Removed)
	if err != nil {
		return t, fmt.Errorf("counting what the catalog holds: %w", classify(err))
	}
	return t, nil
}
