package catalog

// format is the version of the tables, kept in PRAGMA user_version.
const format = 7

// Formats with new tables. A reader may meet a catalog of an earlier one.
const (
	tablesOf3 = 3 // names, taken
	tablesOf4 = 4 // removed, accepted; versions has superseded_at, and several rows per version
	tablesOf5 = 5 // logged; versions has leaf
	tablesOf6 = 6 // segments; versions has deepColumns
	tablesOf7 = 7 // missing
)

// schema creates missing tables, also in a catalog of format have, whose versions it copies
// into a table with another key. When the index stopped naming some of them is unknown: it
// was after they were verified.
func schema(have int64) string {
	begin, copied := "BEGIN IMMEDIATE;", ""
	switch {
	case have == tablesOf5: // immediate, however many rows there are
		begin += addDeep
	case have == tablesOf4:
		begin += "ALTER TABLE versions ADD COLUMN leaf INTEGER NOT NULL DEFAULT 0;" + addDeep
	case have != 0 && have < tablesOf4:
		begin += "ALTER TABLE versions RENAME TO versions3;"
		copied = `
			INSERT INTO versions (` + columns + `) SELECT ` + columnsOf3 + `, 0 FROM versions3;
			INSERT INTO removed SELECT name, version, sha256, verified_at, '', 0, 'version', 0
				FROM versions3 WHERE listed = 0 AND verified_at <> 0;
			INSERT INTO crates SELECT DISTINCT ` + indexPath + `, '', 0 FROM versions3 WHERE listed = 1 ON CONFLICT DO NOTHING;
			DROP TABLE versions3;`
	}
	if have < tablesOf3 {
		copied += "INSERT INTO names (name) SELECT DISTINCT name FROM versions WHERE " + named + " ON CONFLICT DO NOTHING;"
	}
	return begin + tables + copied + `
		PRAGMA user_version = 7;
		COMMIT;`
}

// addDeep adds deepColumns.
const addDeep = `
	ALTER TABLE versions ADD COLUMN segment TEXT NOT NULL DEFAULT '';
	ALTER TABLE versions ADD COLUMN pack INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE versions ADD COLUMN pack_size INTEGER NOT NULL DEFAULT 0;
	ALTER TABLE versions ADD COLUMN number INTEGER NOT NULL DEFAULT 0;`

// indexPath computes crate.IndexPath of the column name.
const indexPath = `lower(iif(length(name) < 4, length(name) || '/' || iif(length(name) = 3, substr(name, 1, 1) || '/', ''),
	substr(name, 1, 2) || '/' || substr(name, 3, 2) || '/') || name)`

const tables = `
CREATE TABLE IF NOT EXISTS versions (
	name        TEXT    NOT NULL COLLATE NOCASE,
	version     TEXT    NOT NULL,
	sha256      BLOB    NOT NULL,
	size        INTEGER NOT NULL,
	loose       INTEGER NOT NULL,
	bundle      TEXT    NOT NULL,
	offset      INTEGER NOT NULL,
	length      INTEGER NOT NULL,
	yanked      INTEGER NOT NULL,
	listed      INTEGER NOT NULL,
	verified_at INTEGER NOT NULL,
	superseded_at INTEGER NOT NULL,
	leaf        INTEGER NOT NULL DEFAULT 0,
	segment     TEXT    NOT NULL DEFAULT '',
	pack        INTEGER NOT NULL DEFAULT 0,
	pack_size   INTEGER NOT NULL DEFAULT 0,
	number      INTEGER NOT NULL DEFAULT 0,
	PRIMARY KEY (name, version, sha256)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS unlisted_twice ON versions (name, version) WHERE ` + unlistedTwice + `;
CREATE TABLE IF NOT EXISTS removed (
	name        TEXT    NOT NULL COLLATE NOCASE,
	version     TEXT    NOT NULL,
	sha256      BLOB    NOT NULL,
	seen        INTEGER NOT NULL,
	commit_id   TEXT    NOT NULL,
	commit_time INTEGER NOT NULL,
	scope       TEXT    NOT NULL,
	returned    INTEGER NOT NULL,
	PRIMARY KEY (name, version, sha256, seen)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS accepted (
	name    TEXT    NOT NULL COLLATE NOCASE,
	version TEXT    NOT NULL,
	sha256  BLOB    NOT NULL,
	at      INTEGER NOT NULL,
	PRIMARY KEY (name, version, sha256)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS crates (
	path   TEXT    NOT NULL PRIMARY KEY,
	blob   TEXT    NOT NULL,
	yanked INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS gone (
	name     TEXT    NOT NULL COLLATE NOCASE,
	version  TEXT    NOT NULL,
	status   INTEGER NOT NULL,
	evidence TEXT    NOT NULL,
	since    INTEGER NOT NULL,
	PRIMARY KEY (name, version)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS missing (
	name    TEXT    NOT NULL COLLATE NOCASE,
	version TEXT    NOT NULL,
	reason  TEXT    NOT NULL,
	since   INTEGER NOT NULL,
	tried   INTEGER NOT NULL,
	PRIMARY KEY (name, version)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS superseded ON versions (name, version) WHERE superseded_at <> 0;
CREATE TABLE IF NOT EXISTS bundles (
	name    TEXT    NOT NULL PRIMARY KEY,
	whole   INTEGER NOT NULL,
	entries INTEGER NOT NULL,
	bytes   INTEGER NOT NULL,
	sha256  BLOB    NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS segments (
	name    TEXT    NOT NULL PRIMARY KEY,
	whole   INTEGER NOT NULL,
	entries INTEGER NOT NULL,
	bytes   INTEGER NOT NULL,
	sha256  BLOB    NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS taken (
	name     TEXT    NOT NULL PRIMARY KEY,
	size     INTEGER NOT NULL,
	modified INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS source (
	id          INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
	commit_id   TEXT    NOT NULL,
	commit_time INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS logged (
	id   INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
	size INTEGER NOT NULL,
	root BLOB    NOT NULL
);
CREATE TABLE IF NOT EXISTS names (
	id   INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT,
	name TEXT    NOT NULL COLLATE NOCASE UNIQUE
);`

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
