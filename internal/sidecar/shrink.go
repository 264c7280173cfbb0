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

// checkExtent refuses what would put an empty or much smaller table into the place
// of the one that is there: the folder of an index that was named by mistake, half
// an index, or another mirror.
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
	if r.cfg.Limit > 0 { // fewer is what was asked for
		return nil
	}
	had, err := r.cfg.Output.rows(ctx)
	if err != nil {
		return fmt.Errorf("counting what the new table replaces: %w", err)
	}
	// What is left out because it is yanked may have been in the earlier one.
	return index.CheckShrink(had-c.Done()-c.Yanked, had, "rows of the table that is there would be lost", "look whether it is the right index, and whole")
}

// rows is 0: files are never taken away.
func (o *Files) rows(context.Context) (int64, error) { return 0, nil }

// rows counts the lines of the file that is there.
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

// rows is the number of rows that the footer of the table names. What is no table
// has none.
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

// earlier opens the file to replace, nil if there is none.
func (w *wholeFile) earlier() (durable.File, error) {
	f, err := w.fsys.Open(w.name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return f, err
}
