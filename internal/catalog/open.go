package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"runtime"

	"modernc.org/sqlite" // pure Go SQLite driver
	sqlite3 "modernc.org/sqlite/lib"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Open opens the catalog at path, and creates it if absent. Errors: ErrDamaged; an error
// for a catalog of a newer program.
func Open(path string) (*Catalog, error) {
	if err := durable.Touch(path); err != nil {
		return nil, fmt.Errorf("opening catalog: %w", err)
	}
	return open(path, "rwc", "&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
}

// openReader opens a catalog for reading, with or without a write-ahead log, as log says,
// and writes nothing beside it. guarded reports whether SQLite isolates it from writers;
// otherwise the reader must check whether the file was written. Errors: fs.ErrNotExist, and
// as Open.
//
// SQLite creates -wal and -shm files for any reader of a WAL database, unless the reader
// declares that there is no writer. If there is a write-ahead log, these files exist
// already, except for a copy that was made without -shm: if -shm cannot be created, the log
// is read with an index of it in memory.
func openReader(path string, log logState) (c *Catalog, guarded bool, err error) {
	f, err := os.Open(path) // its error says more than SQLite's
	if err != nil {
		return nil, false, err
	}
	f.Close()
	if !log.exists() {
		c, err = open(path, "ro", "&immutable=1")
		return c, false, err
	}
	c, err = open(path, "ro", "")
	if cannotOpen(err) {
		c, err = open(path, "ro", "&_pragma=locking_mode(EXCLUSIVE)&vfs="+withoutLocks())
		return c, false, err
	}
	return c, true, err
}

// cannotOpen reports whether SQLite lacks a file and cannot create it.
func cannotOpen(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_CANTOPEN
}

// withoutLocks returns the SQLite VFS that takes no locks, and so needs no -shm file beside
// an exclusive log (https://sqlite.org/wal.html#noshm).
func withoutLocks() string {
	if runtime.GOOS == "windows" {
		return "win32-none"
	}
	return "unix-none"
}

// logState is the visible state of a write-ahead log. Zero: there is none, so there is no
// writer, and none was killed.
type logState struct{ size, modified int64 }

func logOf(path string) logState {
	info, err := os.Stat(path + "-wal")
	if err != nil || info.Size() == 0 {
		return logState{}
	}
	return logState{info.Size(), info.ModTime().UnixNano()}
}

func (l logState) exists() bool { return l.size > 0 }

func open(path, mode, options string) (*Catalog, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	dsn := (&url.URL{Scheme: "file", OmitHost: true, Path: filepath.ToSlash(abs)}).String()
	db, err := sql.Open("sqlite", dsn+"?mode="+mode+"&_pragma=busy_timeout(10000)"+options)
	if err != nil {
		return nil, fmt.Errorf("opening catalog %s: %w", path, err)
	}
	c := &Catalog{db: db, writable: mode == "rwc"}
	if err := c.prepare(); err != nil {
		db.Close()
		return nil, fmt.Errorf("opening catalog %s: %w", path, classify(err))
	}
	return c, nil
}

// prepare checks the format, creates the tables if there are none, and prepares frequent
// queries.
func (c *Catalog) prepare() error {
	if err := c.readFormat(context.Background()); err != nil {
		return err
	}
	switch have := c.format.Load(); {
	case have == 0 && !c.writable:
		return fmt.Errorf("it is empty: %w", fs.ErrNotExist) // its creator was killed early
	case have < format && c.writable:
		if _, err := c.db.Exec(schema(have)); err != nil {
			return err
		}
		c.format.Store(format)
	}
	var err error
	c.versions, err = c.db.Prepare("SELECT " + c.columns() + " FROM versions WHERE name = ? ORDER BY version")
	if err != nil {
		return err
	}
	c.version, err = c.db.Prepare("SELECT " + c.columns() + " FROM versions WHERE name = ? AND version = ? AND " + c.current())
	if err != nil {
		return err
	}
	c.bytesOf, err = c.db.Prepare("SELECT " + c.columns() + " FROM versions WHERE name = ? AND version = ?")
	if err != nil {
		return err
	}
	missing, gone, err := c.Lacking(context.Background())
	c.anyMissing.Store(missing > 0)
	c.anyGone.Store(gone > 0)
	return err
}

// readFormat reads the format, and rejects a newer one.
func (c *Catalog) readFormat(ctx context.Context) error {
	var have int64
	if err := c.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&have); err != nil {
		return err
	}
	if have > format {
		return fmt.Errorf("it has format %d, this program knows %d: use a newer one", have, format)
	}
	c.format.Store(have)
	return nil
}

// Close closes the catalog.
func (c *Catalog) Close() error {
	if c.writable {
		c.fold()
	}
	return errors.Join(c.versions.Close(), c.version.Close(), c.bytesOf.Close(), c.db.Close())
}

// fold moves the write-ahead log into the file, so that the file alone can be copied.
// SQLite does this on closing, but not if another process has the catalog open. If another
// process is reading right now, the log stays until the next run.
func (c *Catalog) fold() {
	ctx := context.Background()
	conn, err := c.db.Conn(ctx)
	if err != nil {
		return
	}
	defer conn.Close()
	for _, pragma := range []string{"PRAGMA busy_timeout = 500", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		// If this fails, nothing is lost, and closing reports the error.
		_, _ = conn.ExecContext(ctx, pragma)
	}
}
