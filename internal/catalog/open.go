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

// Open opens the catalog at path, created if absent. Errors: ErrDamaged; a
// catalog written by a newer program is refused.
func Open(path string) (*Catalog, error) {
	if err := durable.Touch(path); err != nil {
		return nil, fmt.Errorf("opening catalog: %w", err)
	}
	return open(path, "rwc", "&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_txlock=immediate")
}

// openReader opens a catalog for reading, with the write-ahead log that was seen or
// without one, and touches nothing beside it. It reports whether SQLite keeps those who
// write from disturbing it; otherwise the reader has to check whether it was written.
// Errors: fs.ErrNotExist, and as Open.
//
// SQLite makes -wal and -shm files for any reader of a WAL database, unless it is told
// that there is no writer. A write-ahead log that is there has its files already, but for
// a copy that was made without -shm: where that cannot be made, the log is read with an
// index of it in memory.
func openReader(path string, log logState) (c *Catalog, guarded bool, err error) {
	f, err := os.Open(path) // whose error says more than SQLite's
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

// cannotOpen reports whether SQLite lacks a file, and cannot make it.
func cannotOpen(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && e.Code()&0xff == sqlite3.SQLITE_CANTOPEN
}

// withoutLocks is the part of SQLite that takes no locks, and so needs no -shm file
// beside an exclusive log (https://sqlite.org/wal.html#noshm).
func withoutLocks() string {
	if runtime.GOOS == "windows" {
		return "win32-none"
	}
	return "unix-none"
}

// logState is what can be seen of a write-ahead log. Zero: there is none, so there is no
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

// prepare checks the format, makes the tables where there are none, and gets
// ready what is needed often.
func (c *Catalog) prepare() error {
	if err := c.readFormat(context.Background()); err != nil {
		return err
	}
	switch have := c.format.Load(); {
	case have == 0 && !c.writable:
		return fmt.Errorf("it is empty: %w", fs.ErrNotExist) // its maker was killed in time
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

// readFormat asks for the format, and refuses one of the future.
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

// fold moves the write-ahead log into the file, so that the file by itself is all there
// is to copy. SQLite does so at the end, but not if another process has the catalog open.
// If one of those is reading right now, it has to wait until the next run.
func (c *Catalog) fold() {
	ctx := context.Background()
	conn, err := c.db.Conn(ctx)
	if err != nil {
		return
	}
	defer conn.Close()
	for _, pragma := range []string{"PRAGMA busy_timeout = 500", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		// Without it nothing is lost, and closing reports what is wrong.
		_, _ = conn.ExecContext(ctx, pragma)
	}
}
