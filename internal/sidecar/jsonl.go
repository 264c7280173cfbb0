package sidecar

import (
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// JSONL writes sidecars as one file or stream, one line each.
type JSONL struct{ sink }

var _ Output = (*JSONL)(nil)

// NewJSONL makes the file name in fsys. The caller ensures that it is the only writer.
func NewJSONL(fsys durable.FS, name string) (*JSONL, error) {
	f, err := newWholeFile(fsys, name)
	if err != nil {
		return nil, err
	}
	return &JSONL{f}, nil
}

func (o *JSONL) has(*record) bool { return false } // a new file has none

func (o *JSONL) encode(b *batch) error {
	for i := range b.records {
		rec := &b.records[i]
		if rec.skip || rec.err != nil {
			continue
		}
		start := len(b.out)
		if b.out, rec.err = b.appendSidecar(b.out, i); rec.err != nil {
			b.out = b.out[:start]
			continue
		}
		b.out = append(b.out, '\n')
		b.wrote++
	}
	return nil
}

func (o *JSONL) write(b *batch, r *run) error {
	_, err := o.Write(b.out)
	r.cfg.Progress.written.Add(b.wrote)
	return err
}

func (o *JSONL) finish(cause error, _ *run) error { return o.end(cause) }
