package export

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// disk writes the tree: unfinished files into a folder of their own, which get
// their names when they are durable. Its methods may be called concurrently.
type disk struct {
	durable.FS
	each  bool // there is no sync of the whole
	temps atomic.Uint64

	mu    sync.Mutex      // guards what follows
	bytes bool            // something was written since syncBytes
	names map[string]bool // folders in which names changed since syncNames
}

// renaming is a finished file on its way to its name.
type renaming struct{ temp, name string }

// openDisk clears away what an earlier run left unfinished.
func openDisk(out durable.FS) (*disk, error) {
	d := &disk{FS: out, names: map[string]bool{}}
	entries, err := out.ReadDir(tempDir)
	if err != nil {
		return nil, fmt.Errorf("opening the export: %w", err)
	}
	for _, e := range entries {
		if err := out.Remove(path.Join(tempDir, e.Name())); err != nil {
			return nil, fmt.Errorf("clearing unfinished files of an earlier run: %w", err)
		}
	}
	if err := out.SyncAll(); errors.Is(err, errors.ErrUnsupported) {
		d.each = true
	} else if err != nil {
		return nil, err
	}
	return d, d.mkdir(IndexDir)
}

// mkdir makes a folder of the tree and what is above it.
func (d *disk) mkdir(dir string) error {
	if err := d.MkdirAll(dir); err != nil {
		return err
	}
	for up := path.Dir(dir); ; up = path.Dir(up) {
		d.changed(up)
		if up == "." {
			return nil
		}
	}
}

func (d *disk) changed(dir string) {
	d.mu.Lock()
	d.names[dir] = true
	d.mu.Unlock()
}

// temp returns a name that this run has not used. The folder was empty when it
// began, and nobody else writes there.
func (d *disk) temp() string { return path.Join(tempDir, strconv.FormatUint(d.temps.Add(1), 36)) }

// write makes an unfinished file for name of what src has.
func (d *disk) write(name string, src io.Reader) (renaming, error) {
	r := renaming{d.temp(), name}
	f, err := d.Create(r.temp)
	if err != nil {
		return r, err
	}
	_, err = io.Copy(f, src)
	if err == nil && d.each {
		err = f.Sync()
	}
	if err = cmp.Or(err, f.Close()); err != nil {
		return r, errors.Join(err, d.Remove(r.temp))
	}
	d.mu.Lock()
	d.bytes = true
	d.mu.Unlock()
	return r, nil
}

// link makes an unfinished file for name that is f. Errors: errors.ErrUnsupported
// where only a copy can be had.
func (d *disk) link(name string, f durable.File) (renaming, error) {
	r := renaming{d.temp(), name}
	return r, durable.Link(f, d.FS, r.temp)
}

// replace gives a finished file its name. Crate files are never replaced in a
// mirror; what is here is a copy.
func (d *disk) replace(r renaming) error {
	if err := d.Replace(r.temp, r.name); err != nil {
		return err
	}
	d.changed(path.Dir(r.name))
	return nil
}

// remove takes a file away, or a folder that is empty.
func (d *disk) remove(name string) error {
	if err := d.Remove(name); err != nil {
		return err
	}
	d.changed(path.Dir(name))
	return nil
}

// syncBytes makes what was written durable, not yet its names. Linked files are
// the mirror's, and durable already.
func (d *disk) syncBytes() error {
	if !d.bytes {
		return nil
	}
	d.bytes = false
	if d.each { // as it was written
		return nil
	}
	return d.SyncAll()
}

// syncNames makes names durable that were given and taken.
func (d *disk) syncNames() error {
	if len(d.names) == 0 {
		return nil
	}
	dirs := d.names
	d.names = map[string]bool{}
	if !d.each {
		return d.SyncAll()
	}
	for dir := range dirs {
		if err := d.SyncDir(dir); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// has reports whether a file has the content.
func (d *disk) has(name string, content []byte) bool {
	found, err := durable.ReadFile(d.FS, name, int64(len(content)))
	return err == nil && bytes.Equal(found, content)
}
