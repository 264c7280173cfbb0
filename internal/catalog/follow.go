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

// A Follower reads a catalog for as long as a server runs, while others write it, set it
// aside and rebuild it, or make it in the first place. Its methods may be called
// concurrently.
//
// It touches nothing, so that it works on a read-only medium, and leaves no files of its
// own user where the writer's should be. That needs two ways of reading. Where there is a
// write-ahead log, SQLite itself keeps readers and writers apart. If there is none, or a
// read-only copy of one, there is no writer, and the file is read as it is; a writer that
// begins meanwhile is noticed after the reading, which is then done again.
type Follower struct {
	path string

	refreshing sync.Mutex // held by the one who replaces now; guards untold
	untold     bool       // a reading found a change that Refresh has not reported
	mu         sync.Mutex // guards what follows
	now        *followed  // nil: there is no catalog yet
}

// followed is a catalog as it was opened.
type followed struct {
	*Catalog
	path     string
	info     fs.FileInfo
	log      logState
	live     *sql.Conn // asked for data_version; nil: others can disturb the reading
	data     int64     // data_version when it was last asked
	prepared int64     // format for which its statements were prepared
	uses     int       // by the Follower and by readings
}

// Follow opens the catalog at path, which need not be there yet. Errors: as
// Open.
func Follow(ctx context.Context, path string) (*Follower, error) {
	f := &Follower{path: path}
	if _, err := f.Refresh(ctx); err != nil {
		return nil, err
	}
	return f, nil
}

// Refresh looks for changes, and reports whether there may have been any since it was
// last called. It costs some microseconds. After an error, readings continue with what
// was open before.
func (f *Follower) Refresh(ctx context.Context) (changed bool, err error) {
	f.refreshing.Lock()
	defer f.refreshing.Unlock()
	changed, err = f.refresh(ctx)
	changed, f.untold = changed || f.untold, false
	return changed, err
}

// reopen is Refresh for a reading, which keeps the news for Refresh.
func (f *Follower) reopen(ctx context.Context) error {
	f.refreshing.Lock()
	defer f.refreshing.Unlock()
	changed, err := f.refresh(ctx)
	f.untold = f.untold || changed
	return err
}

func (f *Follower) refresh(ctx context.Context) (changed bool, err error) {
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) { // not yet, or set aside: what was read from stays as it was
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
	if errors.Is(err, fs.ErrNotExist) { // its maker has not got far
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

// openFollowed opens the catalog whose info and log were seen before. The log is looked
// at once: one that goes away meanwhile must not leave a connection that is both
// immutable and asked for commits, since it would never see any.
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
	if err := c.readFormat(ctx); err != nil { // a newer program may have taken it over
		return false, fmt.Errorf("looking for changes of the catalog: %w", classify(err))
	}
	c.data = data
	return true, nil
}

// untouched reports whether a file that is read as it is has not been written.
func (c *followed) untouched() bool {
	info, err := os.Stat(c.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !os.SameFile(info, c.info) {
		return true // set aside: those who write have another one
	}
	return err == nil && info.Size() == c.info.Size() && info.ModTime().Equal(c.info.ModTime()) && logOf(c.path) == c.log
}

// close closes the connection that is asked first: it must not be in the pool
// as it is closed.
func (c *followed) close() error {
	if c.live == nil {
		return c.Close()
	}
	return errors.Join(c.live.Close(), c.Close())
}

// rereadings bounds how often a reading is done again because of a writer. The
// second one finds a write-ahead log, and reads beside it.
const rereadings = 5

// Read reads from the catalog as it is now. It may call read more than once: the
// last time counts. Errors: fs.ErrNotExist if there is no catalog yet; those of
// read.
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

// Close closes the catalog when the readings under way have ended.
func (f *Follower) Close() error {
	f.refreshing.Lock()
	defer f.refreshing.Unlock()
	return f.replace(nil)
}
