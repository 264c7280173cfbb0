package plan

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Spool is a plan on disk: a sequence of crates, each with the items to do for
// it. It lives as long as its run; it is never synced, since a run that dies
// plans anew.
type Spool struct {
	fsys durable.FS
	name string
	file durable.File
	buf  *bufio.Writer
	enc  *gob.Encoder

	Items int64 // that were added
}

// Passes is how often a run goes over what is to be done, at most.
const Passes = 3

// SpoolNames are the names of spools: of the plan, and of what each pass leaves for
// the next one.
var SpoolNames = [Passes]string{"plan.tmp", "again-2.tmp", "again-3.tmp"}

// spooled is a record of the spool.
type spooled struct {
	Path, Blob string // of the catalog row; empty: there shall be none
	Yanked     bool
	Items      []spooledItem
}

type spooledItem struct {
	Name, Version, URL string
	Checksum           []byte
	Yanked, Unlisted   bool
	Task               uint8
	At                 store.Placement
	Tried              *Tried
}

// NewSpool makes the spool of a pass, and removes what a run that was killed has
// left under this name or a later one.
func NewSpool(fsys durable.FS, pass int) (*Spool, error) {
	for _, name := range SpoolNames[pass-1:] {
		if err := fsys.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	name := SpoolNames[pass-1]
	f, err := fsys.Create(name)
	if err != nil {
		return nil, err
	}
	s := &Spool{fsys: fsys, name: name, file: f, buf: bufio.NewWriterSize(f, 1<<16)}
	s.enc = gob.NewEncoder(s.buf)
	return s, nil
}

func (s *Spool) Add(row *catalog.Crate, items []Item) error {
	if len(items) == 0 {
		return nil
	}
	rec := spooled{Items: make([]spooledItem, len(items))}
	if row != nil {
		rec.Path, rec.Blob, rec.Yanked = row.Path, row.Blob, row.Yanked
	}
	for i, it := range items {
		rec.Items[i] = spooledItem{it.Name, it.Version, it.URL, it.Checksum[:], it.Yanked, it.Unlisted, uint8(it.Task), it.At, it.Tried}
	}
	if err := s.enc.Encode(rec); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	s.Items += int64(len(items))
	return nil
}

// Finish ends writing; reading starts at the beginning.
func (s *Spool) Finish() error {
	if err := s.buf.Flush(); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	_, err := s.file.Seek(0, io.SeekStart)
	return err
}

// Each calls fn for every crate of the plan.
func (s *Spool) Each(fn func(row *catalog.Crate, items []Item) error) error {
	dec := gob.NewDecoder(bufio.NewReaderSize(s.file, 1<<16))
	for {
		var rec spooled
		err := dec.Decode(&rec)
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading the plan back: %w", err)
		}
		var row *catalog.Crate
		if rec.Blob != "" {
			row = &catalog.Crate{Path: rec.Path, Blob: rec.Blob, Yanked: rec.Yanked}
		}
		items := make([]Item, len(rec.Items))
		for i, it := range rec.Items {
			e := Entry{ID: crate.ID{Name: it.Name, Version: it.Version}, URL: it.URL, Yanked: it.Yanked, Unlisted: it.Unlisted}
			copy(e.Checksum[:], it.Checksum)
			items[i] = Item{e, Task(it.Task), it.At, it.Tried}
		}
		if err := fn(row, items); err != nil {
			return err
		}
	}
}

// Remove removes the file; what cannot be removed now is by the next run.
func (s *Spool) Remove() {
	_ = s.file.Close()
	_ = s.fsys.Remove(s.name)
}
