package tilelog

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"path"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/statement"
)

// An Appender appends leaves. Its memory does not grow with the log. The caller ensures
// that there is only one at a time. After an error it is dead; the next one begins at the
// last checkpoint.
type Appender struct {
	fsys   durable.FS
	from   int64         // leaves of the last checkpoint
	size   int64         // including those that were added
	to     int64         // as announced
	edge   [][]tlog.Hash // for each level: the hashes after the last full tile
	bundle []byte        // the lines after the last full tile

	dry  bool            // write nothing
	each bool            // the disk has no SyncAll
	dirs map[string]bool // folders whose names are not durable yet, if each
}

// Begin recovers from an interrupted append, and prepares to append n leaves. Errors:
// ErrDamaged if the right edge of the tree contradicts the checkpoint.
func Begin(fsys durable.FS, n int64) (*Appender, error) {
	size, err := recoverLast(fsys)
	if err != nil {
		return nil, fmt.Errorf("recovering the log: %w", err)
	}
	a := &Appender{fsys: fsys, from: size, size: size, to: size + n, dirs: map[string]bool{}}
	if a.to > statement.MaxLeaves {
		return nil, fmt.Errorf("a log of %d leaves, want at most %d", a.to, int64(statement.MaxLeaves))
	}
	if err := a.load(fsys); err != nil {
		return nil, fmt.Errorf("reading the log: %w", err)
	}
	if n == 0 {
		return a, nil
	}
	if err := durable.WriteFile(fsys, pendingName, fmt.Appendf(nil, "%d %d\n", a.from, a.to)); err != nil {
		return nil, err
	}
	err = fsys.SyncAll()
	a.each = errors.Is(err, errors.ErrUnsupported)
	if err != nil && !a.each {
		return nil, fmt.Errorf("beginning an append: %w", err)
	}
	return a, nil
}

// load reads the right edge of the tree, and verifies it with the checkpoint.
func (a *Appender) load(fsys durable.Reader) error {
	if a.size == 0 {
		return nil
	}
	l, err := Open(fsys)
	if err != nil {
		return err
	}
	for level := 0; a.size>>(height*level) > 0; level++ {
		t := tileAt(level, a.size>>(height*level)/width, a.size)
		a.edge = append(a.edge, nil)
		if t.W == 0 {
			continue
		}
		data, err := readHashes(fsys, t)
		if err != nil {
			return err
		}
		for ; len(data) > 0; data = data[tlog.HashSize:] {
			a.edge[level] = append(a.edge[level], tlog.Hash(data[:tlog.HashSize]))
		}
	}
	if root(a.edge) != l.Hash {
		return fmt.Errorf("%w: the tiles at the right edge of the tree do not have the root of the checkpoint", ErrDamaged)
	}
	if a.size%width == 0 {
		return nil
	}
	lines, err := readBundle(fsys, tileAt(entriesLevel, a.size/width, a.size))
	for _, line := range lines {
		a.addLine(line)
	}
	return err
}

// Add appends a leaf.
func (a *Appender) Add(key crate.Key) error {
	if a.size == a.to {
		return fmt.Errorf("appending: more than the %d leaves that were announced", a.to-a.from)
	}
	line := statement.Line(key)
	if !a.dry {
		a.addLine(line)
	}
	a.size++
	if err := a.addHash(0, tlog.RecordHash([]byte(line))); err != nil {
		return fmt.Errorf("appending leaf %d: %w", a.size-1, err)
	}
	return nil
}

func (a *Appender) addLine(line string) {
	a.bundle = binary.BigEndian.AppendUint16(a.bundle, uint16(len(line)))
	a.bundle = append(a.bundle, line...)
}

// addHash appends the next hash of a level, and those above that it completes.
func (a *Appender) addHash(level int, h tlog.Hash) error {
	if level == len(a.edge) {
		a.edge = append(a.edge, nil)
	}
	a.edge[level] = append(a.edge[level], h)
	full := a.edge[level]
	if len(full) < width {
		return nil
	}
	if err := a.writeLevel(level); err != nil {
		return err
	}
	a.edge[level] = full[:0]
	return a.addHash(level+1, subtree(full))
}

// writeLevel writes the last tile of a level, and at the bottom also its lines.
func (a *Appender) writeLevel(level int) error {
	if a.dry {
		return nil
	}
	hashes := a.edge[level]
	t := tlog.Tile{H: height, L: level, N: (a.size>>(height*level) - 1) / width, W: len(hashes)}
	data := make([]byte, 0, len(hashes)*tlog.HashSize)
	for _, h := range hashes {
		data = append(data, h[:]...)
	}
	if err := a.writeTile(t, data); err != nil || level > 0 {
		return err
	}
	t.L = entriesLevel
	err := a.writeTile(t, a.bundle)
	if t.W == width {
		a.bundle = a.bundle[:0]
	}
	return err
}

// writeTile gives a tile its name, and replaces an existing one that no checkpoint covers.
// Unlike the files of a durable.Batch, a tile may have its name before its bytes are
// durable: it counts only once a checkpoint covers it, so one sync at the end suffices.
func (a *Appender) writeTile(t tlog.Tile, data []byte) error {
	name := Path(t)
	temp := durable.TempName(".") // all in one folder, so that they are found after a kill
	if err := writeFile(a.fsys, temp, data, a.each); err != nil {
		return err
	}
	err := a.fsys.Replace(temp, name)
	if errors.Is(err, fs.ErrNotExist) { // cheaper than MkdirAll every time
		if err = a.fsys.MkdirAll(path.Dir(name)); err == nil {
			err = a.fsys.Replace(temp, name)
		}
	}
	for dir := path.Dir(name); a.each; dir = path.Dir(dir) {
		if a.dirs[dir] = true; dir == "." {
			break
		}
	}
	return err
}

func writeFile(fsys durable.FS, name string, data []byte, sync bool) error {
	f, err := fsys.Create(name)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil && sync {
		err = f.Sync()
	}
	return cmp.Or(err, f.Close())
}

// Finish makes the added leaves durable, and returns the tree for the next checkpoint.
func (a *Appender) Finish() (tlog.Tree, error) {
	if a.size != a.to {
		return tlog.Tree{}, fmt.Errorf("appending: %d leaves were added, %d announced", a.size-a.from, a.to-a.from)
	}
	tree := tlog.Tree{N: a.size, Hash: root(a.edge)}
	if a.size == a.from {
		return tree, nil
	}
	for level, hashes := range a.edge {
		if len(hashes) == 0 {
			continue
		}
		if err := a.writeLevel(level); err != nil {
			return tree, fmt.Errorf("appending: %w", err)
		}
	}
	return tree, a.sync()
}

func (a *Appender) sync() error {
	if !a.each {
		if err := a.fsys.SyncAll(); err != nil {
			return fmt.Errorf("making the log durable: %w", err)
		}
		return nil
	}
	for dir := range a.dirs {
		if err := a.fsys.SyncDir(dir); err != nil {
			return fmt.Errorf("making the log durable: %w", err)
		}
	}
	return nil
}
