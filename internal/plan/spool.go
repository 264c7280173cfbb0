package plan

import (
	"bufio"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Spool is a plan on disk: a sequence of crates, each with its items. It lives as long as
// its run. It is never synced, because a run after a crash plans again.
type Spool struct {
	fsys durable.FS
	name string
	file durable.File
	buf  *bufio.Writer
	enc  *gob.Encoder

	Items int64 // number of items added
}

// Passes is the maximum number of passes of a run over the plan.
const Passes = 3

// SpoolNames are the names of spools: that of the plan, and those for the items that a pass
// leaves for the next one.
var SpoolNames = [Passes]string{"plan.tmp", "again-2.tmp", "again-3.tmp"}

// spooled is a record of the spool.
type spooled struct {
	Row   *catalog.Crate // of the catalog; nil: no row
	Items []Item
}

// NewSpool makes the spool of a pass, and removes leftovers of a killed run under this name
// or a later one.
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
	if err := s.enc.Encode(spooled{row, items}); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	s.Items += int64(len(items))
	return nil
}

// Finish ends writing and rewinds to the beginning for reading.
func (s *Spool) Finish() error {
	if err := s.buf.Flush(); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	_, err := s.file.Seek(0, io.SeekStart)
	return err
}

// Each calls fn for each crate of the plan.
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
		if err := fn(rec.Row, rec.Items); err != nil {
			return err
		}
	}
}

// Remove removes the file. If that fails, the next run removes it.
func (s *Spool) Remove() {
	_ = s.file.Close()
	_ = s.fsys.Remove(s.name)
}
