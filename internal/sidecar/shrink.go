package sidecar

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/parquet-go/parquet-go"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// checkExtent refuses to replace a table by an empty or much smaller one: the user may have
// named the wrong index folder, half an index, or another mirror.
func (r *run) checkExtent(ctx context.Context) error {
	if r.cfg.AcceptShrink {
		return nil
	}
	c := r.cfg.Progress.Snapshot()
	if c.Crates == 0 {
		return index.ErrEmpty
	}
	if c.Done() > 0 && c.NotHeld == c.Done() {
		return index.Lost(fmt.Sprintf("the mirror holds none of the %d crates of the index: name the mirror of this index", c.Done()))
	}
	if r.cfg.Limit > 0 { // the user asked for fewer
		return nil
	}
	had, err := r.cfg.Output.rows(ctx)
	if err != nil {
		return fmt.Errorf("counting what the new table replaces: %w", err)
	}
	// Yanked versions that are left out may have been in the earlier table.
	return index.CheckShrink(had-c.Done()-c.Yanked, had, "rows of the table that is there would be lost", "look whether it is the right index, and whole")
}

// rows returns 0: files are never removed.
func (o *Files) rows(context.Context) (int64, error) { return 0, nil }

// rows counts the lines of the existing file.
func (o *JSONL) rows(ctx context.Context) (n int64, err error) {
	f, err := o.earlier()
	if f == nil {
		return 0, err
	}
	defer f.Close()
	buf := make([]byte, 1<<20)
	for {
		k, err := f.Read(buf)
		n += int64(bytes.Count(buf[:k], []byte("\n")))
		if err == io.EOF {
			return n, nil
		}
		if err = errors.Join(err, context.Cause(ctx)); err != nil {
			return n, err
		}
	}
}

// rows returns the number of rows in the table's footer, or 0 if it is not a table.
func (o *Parquet) rows(context.Context) (int64, error) {
	f, err := o.earlier()
	if f == nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	table, err := parquet.OpenFile(f, info.Size(), parquet.SkipPageIndex(true), parquet.SkipBloomFilters(true))
	if err != nil {
		return 0, nil
	}
	return table.NumRows(), nil
}

// earlier opens the file to be replaced, or returns nil if there is none.
func (w *wholeFile) earlier() (durable.File, error) {
	f, err := w.fsys.Open(w.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}
