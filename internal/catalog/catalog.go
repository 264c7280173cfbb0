// Package catalog records what a mirror holds, in a SQLite database that other programs may
// query while the mirror is being written (WAL mode), for example
//
//	sqlite3 catalog.db "SELECT name, version, size FROM versions ORDER BY size DESC LIMIT 10"
//	sqlite3 catalog.db "SELECT lower(hex(sha256)) FROM versions WHERE name='serde' AND version='1.0.0'"
//
// The crate files are the source of truth, not the catalog. A lost or damaged catalog can
// be rebuilt by hashing them. It saves that hashing, and holds the pins: the checksum of
// each version when we first verified it, which reveals a registry that changes it later.
//
// # Tables
//
// versions has one row for each content of a crate version held. A version that was deleted
// and published again has several rows with different checksums:
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
// removed has one row for each time that the index stopped naming bytes that are held
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
// accepted has one row for bytes that a user accepted for a version that is held with other
// bytes (since format 4):
//
//	name, version, sha256
//	                the bytes that the index names
//	at              when, Unix seconds
//
// crates has one row for each crate with a held version that the index lists:
//
//	path, blob      index file and the git id of the content that was mirrored;
//	                empty: not all is held that the file names
//	yanked          1 if that included yanked versions
//	apart           1 if any version that the index lists is elsewhere than in
//	                bundles and segments alone (since format 8, like what follows)
//	versions, bytes how many the index lists that are not yanked, and their bytes;
//	                yanked_versions, yanked_bytes: of those that are
//
// gone has one row for each version that the index names and upstream refuses (HTTP 403,
// 404, 410, 451), until upstream serves it:
//
//	name, version   as above
//	status          what upstream answered last
//	evidence        and how: headers and the beginning of the body
//	since           when it was first refused, Unix seconds
//
// missing has one row for each version (or entry of the index that cannot be mirrored) that
// the last run to try it could not get, until it is held or refused (since format 7):
//
//	name, version   as above
//	reason          why, in one line
//	since, tried    when it was asked for first, and last, Unix seconds
//
// logged has one row: how many leaves of the log of statements are recorded in versions
// (since format 5):
//
//	size, root      leaves of the log, and the root of the tree over them
//
// names has one row for each crate with a held version that the index lists, or that was
// not compared with the index. It is searched without reading all of versions (since format
// 3):
//
//	id, name        ids only grow; a crate that comes back gets a new one
//
// bundles has one row for each bundle that a row of versions has ever named:
//
//	name            its file name
//	whole           1 if it is finished and every crate in it has its row
//	entries, bytes  crates in it, and their bytes; 0 before that, and once it was
//	                removed
//	sha256          of the bundle; empty before that
//	reach           where the last version ended that was ever in it (since format 8)
//
// segments has the same for the segments of the deep archive (since format 6).
//
// taken has one row for each bundle of v1.1.0 whose crates are in the store, so that it is
// not read again:
//
//	name            its file name
//	size, modified  bytes, and nanoseconds since 1970: what tells it from another
//
// source has one row: the commit of the index that was last mirrored, in whole or in part,
// and its time in Unix seconds.
//
// A row is committed only after its bytes are durable.
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
	VerifiedAt     time.Time // zero: found in a bundle, and not confirmed by an index yet
	SupersededAt   time.Time // zero: these are the version's current bytes
	Leaf           int64     // number in the log of statements, from 1; 0: none. Commit does not write it
}

// Key returns the key of the bytes.
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

// Batch is what one Commit writes. Rows with the same key are replaced, but a version that
// is gone keeps its first time. A held version is no longer gone. The bundle and the
// segment of a version get a row.
type Batch struct {
	Versions []Version
	Bundles  []Bundle
	Segments []Bundle
	Taken    []Taken
	Crates   []Crate
	Gone     []Gone
	Missing  []Missing
	Revision *Revision // nil: unchanged
	// Vanished are the paths of crates that are no longer in the index: they are no longer
	// complete, and their versions are not listed.
	Vanished []string
	// Removed are bytes that the index no longer names although it still has the crate.
	Removed  []Removal
	Accepted []crate.Key // other bytes of a held version, which may replace it
	// At is the index of Vanished.
	At Revision
	// Dropped are bytes that are no longer held. Their crates are no longer complete.
	Dropped []crate.Key
	// Measure makes the reach of bundles and segments what the rows say. It reads all rows.
	Measure bool
}

func (b *Batch) empty() bool {
	return len(b.Versions) == 0 && len(b.Bundles) == 0 && len(b.Segments) == 0 && len(b.Taken) == 0 && len(b.Crates) == 0 && len(b.Gone)+len(b.Missing) == 0 &&
		b.Revision == nil && len(b.Vanished) == 0 && len(b.Dropped) == 0 &&
		len(b.Removed) == 0 && len(b.Accepted) == 0 && !b.Measure
}

// Totals counts what is held.
type Totals struct {
	Crates, Versions, Bytes int64
	Superseded              int64 // of Versions: replaced by other bytes
	Removed                 int64 // of Versions: the index no longer names them, nor other bytes of the version
}

// ErrDamaged says that the file is not a catalog that SQLite can read.
var ErrDamaged = errors.New("catalog is damaged")

// Catalog is an open catalog. Its methods may be called concurrently.
type Catalog struct {
	db       *sql.DB
	writable bool
	format   atomic.Int64 // of the tables; a reader may have one of an earlier program
	versions *sql.Stmt    // of Versions, called by runs for every crate
	version  *sql.Stmt    // of Version, called by servers for every crate file
	bytesOf  *sql.Stmt    // of BytesOf, called by runs for republished versions
	anyGone  atomic.Bool  // gone has rows, which is rare

	anyMissing atomic.Bool // missing has rows
}

// WasGone reports whether upstream refused id at the last request.
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

// Gone yields the versions that upstream refused at the last request, in the order of
// names. The sequence ends after an error.
func (c *Catalog) Gone(ctx context.Context) iter.Seq2[Gone, error] {
	scan := func(rows *sql.Rows) (g Gone, err error) {
		var since int64
		err = rows.Scan(&g.Name, &g.Version, &g.Status, &g.Evidence, &since)
		g.Since = fromUnix(since)
		return g, err
	}
	return each(ctx, c, "what is gone", scan, "SELECT name, version, status, evidence, since FROM gone ORDER BY name, version")
}

// Revision returns the index that was last mirrored, or zero.
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

// Totals returns the totals.
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
