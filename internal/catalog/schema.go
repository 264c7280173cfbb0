package catalog

import _ "embed"

// format is the version of the tables, kept in PRAGMA user_version.
const format = 8

// Formats with new tables. A reader may meet a catalog of an earlier one.
const (
	tablesOf3 = 3 // names, taken
	tablesOf4 = 4 // removed, accepted; versions has superseded_at, and several rows per version
	tablesOf5 = 5 // logged; versions has leaf
	tablesOf6 = 6 // segments; versions has deepColumns
	tablesOf7 = 7 // missing
	tablesOf8 = 8 // crates has sumColumns; bundles and segments have reach
)

// schema creates missing tables, also in a catalog of format have, whose versions it copies
// into a table with another key. When the index stopped naming some of them is unknown: it
// was after they were verified.
func schema(have int64) string {
	begin, copied := "BEGIN IMMEDIATE;", ""
	switch {
	case have == tablesOf5:
		begin += addDeep
	case have == tablesOf4:
		begin += "ALTER TABLE versions ADD COLUMN leaf INTEGER NOT NULL DEFAULT 0;" + addDeep
	case have != 0 && have < tablesOf4:
		begin += "ALTER TABLE versions RENAME TO versions3;"
		copied = `
			INSERT INTO versions (` + columns + `) SELECT ` + columnsOf3 + `, 0 FROM versions3;
			INSERT INTO removed SELECT name, version, sha256, verified_at, '', 0, 'version', 0
				FROM versions3 WHERE listed = 0 AND verified_at <> 0;
			INSERT INTO crates (path, blob, yanked) SELECT DISTINCT ` + indexPath + `, '', 0 FROM versions3 WHERE listed = 1 ON CONFLICT DO NOTHING;
			DROP TABLE versions3;`
	}
	if have != 0 && have < tablesOf8 {
		begin += addSums
		if have >= tablesOf6 { // before, there are no segments
			begin += "ALTER TABLE segments ADD COLUMN reach INTEGER NOT NULL DEFAULT 0;"
		}
		copied += recount + ";" + reached
	}
	if have < tablesOf3 {
		copied += "INSERT INTO names (name) SELECT DISTINCT name FROM versions WHERE " + named + " ON CONFLICT DO NOTHING;"
	}
	return begin + tables + copied + `
		PRAGMA user_version = 8;
		COMMIT;`
}

// addDeep adds deepColumns.
const addDeep = `
	ALTER TABLE versions ADD COLUMN segment TEXT NOT NULL DEFAULT '';
	ALTER TABLE versions ADD COLUMN pack INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE versions ADD COLUMN pack_size INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE versions ADD COLUMN number INTEGER NOT NULL DEFAULT 0;`

// addSums adds sumColumns, and reach to bundles.
const addSums = `
	ALTER TABLE crates ADD COLUMN apart INTEGER NOT NULL DEFAULT 1;
	ALTER TABLE crates ADD COLUMN versions INTEGER NOT NULL DEFAULT 0; ALTER TABLE crates ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE crates ADD COLUMN yanked_versions INTEGER NOT NULL DEFAULT 0; ALTER TABLE crates ADD COLUMN yanked_bytes INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE bundles ADD COLUMN reach INTEGER NOT NULL DEFAULT 0;`

// reached computes reach of bundles and segments.
const reached = `
	UPDATE bundles SET reach = last FROM (SELECT bundle, max(offset + length) AS last FROM versions WHERE bundle <> '' GROUP BY bundle) WHERE name = bundle;
	UPDATE segments SET reach = last FROM (SELECT segment, max(pack + pack_size) AS last FROM versions WHERE segment <> '' GROUP BY segment) WHERE name = segment;`

// indexPath computes crate.IndexPath of the column name.
const indexPath = `lower(iif(length(name) < 4, length(name) || '/' || iif(length(name) = 3, substr(name, 1, 1) || '/', ''),
	substr(name, 1, 2) || '/' || substr(name, 3, 2) || '/') || name)`

// tables creates the tables that are missing.
//
//go:embed tables.sql
var tables string

// columns are the columns of versions, in the order of scanVersions, except leaf, which
// only RecordLeaves writes, and deepColumns.
const columns = columnsOf3 + ", superseded_at"

const columnsOf3 = "name, version, sha256, size, loose, bundle, offset, length, yanked, listed, verified_at"

// deepColumns locate the bytes in the deep archive.
const deepColumns = "segment, pack, pack_size, number"

// noDeep are the deepColumns of a version that is not in the deep archive.
const noDeep = "'', 0, 0, 0"

// columns returns the columns, with defaults where the format lacks them.
func (c *Catalog) columns() string {
	switch have := c.format.Load(); {
	case have < tablesOf4:
		return columnsOf3 + ", 0, 0, " + noDeep
	case have < tablesOf5:
		return columns + ", 0, " + noDeep
	case have < tablesOf6:
		return columns + ", leaf, " + noDeep
	}
	return columns + ", leaf, " + deepColumns
}

// current returns the condition on rows of the current bytes of versions.
func (c *Catalog) current() string {
	if c.format.Load() < tablesOf4 {
		return "1"
	}
	return "superseded_at = 0"
}
