package tilelog

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/statement"
)

// Publish publishes a signed checkpoint of the tree from Finish. When it returns without
// error, the checkpoint is durable.
func (a *Appender) Publish(checkpoint []byte) error {
	s, err := statement.Peek(checkpoint)
	if err != nil {
		return fmt.Errorf("publishing a checkpoint: %w", err)
	}
	if want := (tlog.Tree{N: a.size, Hash: root(a.edge)}); s.Tree != want {
		return fmt.Errorf("publishing a checkpoint about %d leaves: the log has %d, or another root", s.N, want.N)
	}
	if err := durable.WriteFile(a.fsys, CheckpointName, checkpoint); err != nil {
		return err
	}
	_, err = recoverLast(a.fsys)
	return err
}

// recoverLast completes or undoes an interrupted append, and returns the number of leaves
// that the checkpoint covers.
func recoverLast(fsys durable.FS) (size int64, err error) {
	if err := removeTemps(fsys); err != nil {
		return 0, err
	}
	l, err := Open(fsys)
	switch {
	case err == nil:
		size = l.N
		err = archive(fsys, l)
	case errors.Is(err, fs.ErrNotExist):
		err = nil // nothing is published yet
	}
	if err != nil {
		return size, err
	}
	from, to, err := readPending(fsys)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return size, nil
	case err != nil:
		return size, err
	}
	gone := &removal{fsys: fsys, dirs: map[string]bool{}}
	switch size {
	case from: // not published
		gone.uncovered(size, to)
	case to:
		gone.partial(from, size)
	}
	if err := gone.sync(); err != nil {
		return size, err
	}
	return size, cmp.Or(fsys.Remove(pendingName), fsys.SyncDir("."))
}

// removeTemps removes temporary files that a killed process left.
func removeTemps(fsys durable.FS) error {
	entries, err := fsys.ReadDir(".")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if durable.IsTemp(e.Name()) {
			if err := fsys.Remove(e.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}

// readPending reads what was announced. It is written in one step, so if it cannot be
// parsed, we did not write it.
func readPending(fsys durable.FS) (from, to int64, err error) {
	const most = 64
	data, err := durable.ReadFile(fsys, pendingName, most)
	if err != nil {
		return 0, 0, err
	}
	_, err = fmt.Sscanf(string(data), "%d %d\n", &from, &to)
	if err != nil || from < 0 || to < from || to > statement.MaxLeaves {
		return 0, 0, fmt.Errorf("%w: %s says %q: remove it if no append is running", ErrDamaged, pendingName, data)
	}
	return from, to, nil
}

// removal removes tiles. After its first error it does nothing.
type removal struct {
	fsys durable.FS
	dirs map[string]bool // folders from which something was removed
	err  error
}

// uncovered removes the tiles that a tree of to leaves has but one of size leaves does not.
func (r *removal) uncovered(size, to int64) {
	for _, t := range tlog.NewTiles(height, size, to) {
		r.remove(Path(t))
		if t.L == 0 {
			t.L = entriesLevel
			r.remove(Path(t))
		}
	}
}

// partial removes the partial tiles at the right edge of a tree of from leaves that are
// full in one of size leaves.
func (r *removal) partial(from, size int64) {
	for level := entriesLevel; level < 0 || from>>(height*level) > 0; level++ {
		n := from >> (height * max(0, level)) / width
		if tileAt(level, n, size).W < width {
			continue
		}
		dir := partialDir(tlog.Tile{H: height, L: level, N: n})
		entries, err := r.fsys.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		r.err = cmp.Or(r.err, err)
		for _, e := range entries {
			r.remove(path.Join(dir, e.Name()))
		}
		r.remove(dir)
	}
}

// remove removes a file or an empty folder. A missing one is not an error.
func (r *removal) remove(name string) {
	if r.err != nil {
		return
	}
	r.dirs[path.Dir(name)] = true
	if err := r.fsys.Remove(name); !errors.Is(err, fs.ErrNotExist) {
		r.err = err
	}
}

// sync makes the removals durable.
func (r *removal) sync() error {
	for dir := range r.dirs {
		if err := r.fsys.SyncDir(dir); !errors.Is(err, fs.ErrNotExist) {
			r.err = cmp.Or(r.err, err)
		}
	}
	return r.err
}

// Names of archived checkpoints have no colons, which are special on Windows.
const (
	monthLayout = "2006-01"
	timeLayout  = "20060102T150405.000Z"
)

// archive stores a copy of the checkpoint permanently.
func archive(fsys durable.FS, l *Log) error {
	month := path.Join(archiveDir, l.At.UTC().Format(monthLayout))
	name := path.Join(month, l.At.UTC().Format(timeLayout))
	if _, err := fsys.Stat(name); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := fsys.MkdirAll(month); err != nil {
		return err
	}
	temp := durable.TempName(".") // all in one folder, so that they are found after a kill
	if err := writeFile(fsys, temp, l.Checkpoint, true); err != nil {
		return err
	}
	if err := fsys.Publish(temp, name); err != nil {
		return err
	}
	return cmp.Or(fsys.SyncDir(month), fsys.SyncDir(archiveDir), fsys.SyncDir("."))
}
