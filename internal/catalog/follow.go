package catalog

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"sync"
)

// A Follower reads a catalog for as long as a server runs, while others write it, replace
// it, rebuild it or create it. Its methods may be called concurrently.
//
// It writes nothing, so that it works on a read-only medium, and leaves no files owned by
// its user where the writer's should be. This takes two ways of reading. If there is a
// write-ahead log, SQLite isolates readers from the writer. If there is none, or a
// read-only copy of one, there is no writer, and the Follower reads the file as immutable;
// it detects a writer that begins meanwhile after the reading, and then repeats the
// reading.
type Follower struct {
	path string

	refreshing sync.Mutex // held while now is replaced; guards untold
	untold     bool       // a reading detected a change that Refresh has not reported
	mu         sync.Mutex // guards the fields below
	now        *followed  // nil: there is no catalog yet
}

// followed is an open catalog.
type followed struct {
	*Catalog
	path     string
	info     fs.FileInfo
	log      logState
	live     *sql.Conn // queried for data_version; nil: a writer can disturb the reading
	data     int64     // data_version at the last query
	prepared int64     // format for which the statements were prepared
	uses     int       // by the Follower and by readings
}

// Follow opens the catalog at path, which may not exist yet. Errors: as Open.
func Follow(ctx context.Context, path string) (*Follower, error) {
	f := &Follower{path: path}
	if _, err := f.Refresh(ctx); err != nil {
		return nil, err
	}
	return f, nil
}

// Refresh looks for changes, and reports whether there may have been any since the last
// call. It takes some microseconds. After an error, readings continue with the catalog that
// is open.
func (f *Follower) Refresh(ctx context.Context) (changed bool, err error) {
	f.refreshing.Lock()
	defer f.refreshing.Unlock()
	changed, err = f.refresh(ctx)
	changed, f.untold = changed || f.untold, false
	return changed, err
}

// reopen is Refresh for a reading. The next Refresh still reports the change.
func (f *Follower) reopen(ctx context.Context) error {
	f.refreshing.Lock()
	defer f.refreshing.Unlock()
	changed, err := f.refresh(ctx)
	f.untold = f.untold || changed
	return err
}

func (f *Follower) refresh(ctx context.Context) (changed bool, err error) {
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) { // absent or moved away: keep reading the open one
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for the catalog: %w", err)
	}
	if now := f.now; now != nil && os.SameFile(now.info, info) {
		if now.live != nil {
			changed, err := now.committed(ctx)
			if err != nil || now.format.Load() == now.prepared {
				return changed, err
			}
		} else if now.untouched() {
			return false, nil
		}
	}
	next, err := openFollowed(ctx, f.path, info, logOf(f.path))
	if errors.Is(err, fs.ErrNotExist) { // its creator is not done yet
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, f.replace(next)
}

func (f *Follower) replace(next *followed) error {
	f.mu.Lock()
	last := f.now
	f.now = next
	f.mu.Unlock()
	if last == nil {
		return nil
	}
	return f.release(last)
}

// maxConns bounds the connections; each has a cache of 2 MB.
const maxConns = 16

// openFollowed opens the catalog with the given info and log. It checks the log again at
// once: if the log disappears meanwhile, a connection would be both immutable and queried
// for commits, and would never see any.
func openFollowed(ctx context.Context, path string, info fs.FileInfo, log logState) (*followed, error) {
	c, guarded, err := openReader(path, log)
	if err != nil {
		return nil, err
	}
	c.db.SetMaxOpenConns(maxConns)
	c.db.SetMaxIdleConns(maxConns)
	next := &followed{Catalog: c, path: path, info: info, log: log, uses: 1, prepared: c.format.Load()}
	if !guarded {
		return next, nil
	}
	if next.live, err = c.db.Conn(ctx); err == nil {
		_, err = next.committed(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening catalog %s: %w", path, classify(err)), next.close())
	}
	return next, nil
}

// committed reports whether there was a commit since the last call.
func (c *followed) committed(ctx context.Context) (bool, error) {
	var data int64
	if err := c.live.QueryRowContext(ctx, "PRAGMA data_version").Scan(&data); err != nil {
		return false, fmt.Errorf("looking for changes of the catalog: %w", classify(err))
	}
	if data == c.data {
		return false, nil
	}
	if err := c.readFormat(ctx); err != nil { // a newer program may have upgraded it
		return false, fmt.Errorf("looking for changes of the catalog: %w", classify(err))
	}
	c.data = data
	return true, nil
}

// untouched reports whether a file that is read as immutable was not written.
func (c *followed) untouched() bool {
	info, err := os.Stat(c.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(info, c.info) {
		return true // moved away: writers use another file
	}
	return err == nil && info.Size() == c.info.Size() && info.ModTime().Equal(c.info.ModTime()) && logOf(c.path) == c.log
}

// close closes the connection that queries data_version first: the pool must not contain it
// when it is closed.
func (c *followed) close() error {
	if c.live == nil {
		return c.Close()
	}
	return errors.Join(c.live.Close(), c.Close())
}

// rereadings bounds how often a reading is repeated because of a writer. The second attempt
// already finds a write-ahead log, which isolates it.
const rereadings = 5

// Read calls read with the current catalog. It may call read more than once; the last call
// counts. Errors: fs.ErrNotExist if there is no catalog yet; those of read.
func (f *Follower) Read(ctx context.Context, read func(*Catalog) error) error {
	for range rereadings {
		c, err := f.take()
		if err != nil {
			return err
		}
		err = read(c.Catalog)
		good := c.live != nil || c.untouched()
		if err := f.release(c); err != nil {
			return err
		}
		if good {
			return err
		}
		if err := f.reopen(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("reading catalog %s: it is replaced again and again", f.path)
}

func (f *Follower) take() (*followed, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.now == nil {
		return nil, &fs.PathError{Op: "open", Path: f.path, Err: fs.ErrNotExist}
	}
	f.now.uses++
	return f.now, nil
}

func (f *Follower) release(c *followed) error {
	f.mu.Lock()
	c.uses--
	last := c.uses == 0
	f.mu.Unlock()
	if !last {
		return nil
	}
	return c.close()
}

// Close closes the catalog once the current readings have ended.
func (f *Follower) Close() error {
	f.refreshing.Lock()
	defer f.refreshing.Unlock()
	return f.replace(nil)
}
