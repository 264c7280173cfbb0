package sidecar

import (
	"errors"
	"fmt"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/compress/zstd"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Parquet writes sidecars as one table.
type Parquet struct {
	sink
	table *parquet.GenericWriter[Row]
	bytes int // of the lines in the current row group
}

var _ Output = (*Parquet)(nil)

// groupBytes is the size of the index lines in a row group, which is compressed in memory
// before it is written.
const groupBytes = 48 << 20

// NewParquet makes the file name in fsys. The caller ensures that it is the only writer.
func NewParquet(fsys durable.FS, name string) (*Parquet, error) {
	f, err := newWholeFile(fsys, name)
	if err != nil {
		return nil, err
	}
	return newParquet(f), nil
}

func newParquet(to sink) *Parquet {
	return &Parquet{sink: to, table: parquet.NewGenericWriter[Row](to,
		parquet.Compression(&zstd.Codec{Level: zstd.SpeedFastest}),
		parquet.CreatedBy("clonecratesio", "", ""),
	)}
}

func (o *Parquet) has(*record) bool { return false } // a new file has none

func (o *Parquet) encode(b *batch) error {
	for i := range b.records {
		rec := &b.records[i]
		if rec.skip || rec.err != nil {
			continue
		}
		var row Row
		if row, rec.err = b.row(i); rec.err != nil {
			continue
		}
		b.rows = append(b.rows, row)
		b.wrote++
	}
	return nil
}

func (o *Parquet) write(b *batch, r *run) error {
	if _, err := o.table.Write(b.rows); err != nil {
		return fmt.Errorf("writing %s: %w", o, err)
	}
	r.cfg.Progress.written.Add(b.wrote)
	if o.bytes += len(b.lines); o.bytes < groupBytes {
		return nil
	}
	o.bytes = 0
	if err := o.table.Flush(); err != nil {
		return fmt.Errorf("writing %s: %w", o, err)
	}
	return nil
}

func (o *Parquet) finish(cause error, _ *run) error {
	if cause != nil {
		return o.end(cause)
	}
	err := o.table.Close()
	if err != nil {
		err = fmt.Errorf("writing %s: %w", o, err)
	}
	return errors.Join(err, o.end(err))
}
