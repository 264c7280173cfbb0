package sidecar

import (
	"bytes"
	"context"
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/cargotoml"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// A batch is a number of versions on their way from the index to the output.
type batch struct {
	lines   []byte // of all records
	records []record
	bad     []error       // errors of the index in their place
	done    chan struct{} // closed when it is encoded
	urls    crate.URLTemplate

	// The output's encoding, if it uses this.
	out   []byte
	rows  []Row
	wrote int64             // records in out or rows
	fresh []*durable.Staged // files, and whether they were the same already:
	kept  int64
}

// A record is a version.
type record struct {
	crate.ID
	sum        crate.Checksum
	path       string // in the index
	start, end int    // of the line in batch.lines
	unknown    bool   // the line has fields that cargo does not know
	yanked     bool
	leftOut    bool // yanked, and not wanted
	skip       bool // left out, and has no sidecar
	place      *Place
	at         store.Placement // of the crate, if it must be read
	said       *cargotoml.Contents
	unreadable error // why the content is unknown
	err        error // why there is no sidecar
}

// The size of a batch makes passing it between goroutines cheap, and allows some hundred of
// them in memory.
const (
	batchBytes   = 64 << 10
	batchRecords = 128
)

func (r *run) newBatch() *batch {
	b, ok := r.batches.Get().(*batch)
	if !ok {
		b = &batch{lines: make([]byte, 0, 2*batchBytes)}
	}
	b.done, b.urls = make(chan struct{}), r.cfg.URLs
	return b
}

// recycle lets a later batch use the memory of b, if that is of normal size.
func (r *run) recycle(b *batch) {
	if cap(b.lines) > 4*batchBytes || cap(b.out) > 8*batchBytes {
		return
	}
	clear(b.records)
	clear(b.rows)
	clear(b.fresh)
	r.batches.Put(&batch{lines: b.lines[:0], records: b.records[:0], out: b.out[:0], rows: b.rows[:0], fresh: b.fresh[:0]})
}

// line returns the i-th record's line of the index, without surrounding space.
func (b *batch) line(i int) []byte { return b.lines[b.records[i].start:b.records[i].end] }

// reading is the state of the goroutine that reads the index.
type reading struct {
	*run
	b     *batch
	wants int64 // records that count for the limit
}

// read fills batches with what the index names.
func (r *run) read(ctx context.Context) error {
	rd := &reading{run: r, b: r.newBatch()}
	for c, err := range r.cfg.Index.Crates(ctx, nil) {
		if err != nil {
			return fmt.Errorf("reading the index: %w", err)
		}
		if err := rd.crate(ctx, c); err != nil {
			return err
		}
		r.cfg.Progress.crates.Add(1)
		if rd.full() {
			break
		}
	}
	return rd.submit(ctx)
}

// full reports whether the limit is reached.
func (r *reading) full() bool { return r.cfg.Limit > 0 && r.wants >= r.cfg.Limit }

func (r *reading) crate(ctx context.Context, c *index.Crate) error {
	if c.Err != nil {
		r.b.bad = append(r.b.bad, fmt.Errorf("%s: %w", c.Path, c.Err))
	}
	for _, bad := range c.Bad {
		r.b.bad = append(r.b.bad, bad)
	}
	places, err := r.cfg.Places.of(c.Path)
	if err != nil {
		return err
	}
	held, err := r.cfg.Crates.held(ctx, c)
	if err != nil {
		return err
	}
	for i := range c.Entries {
		if r.full() {
			return nil
		}
		e := &c.Entries[i]
		r.add(c.Path, e)
		rec := &r.b.records[len(r.b.records)-1]
		if place, ok := places[e.ID]; ok {
			rec.place = &place
		}
		rec.at = held[e.ID]
		if len(r.b.lines) < batchBytes && len(r.b.records) < batchRecords {
			continue
		}
		if err := r.submit(ctx); err != nil {
			return err
		}
		r.b = r.newBatch()
	}
	return nil
}

func (r *reading) add(path string, e *index.Entry) {
	rec := record{
		ID: e.ID, sum: e.Checksum, path: path, unknown: e.Unknown, yanked: e.Yanked,
		leftOut: e.Yanked && !r.cfg.IncludeYanked, start: len(r.b.lines),
	}
	if rec.leftOut {
		r.cfg.Progress.yanked.Add(1)
	} else {
		r.wants++
	}
	r.b.lines = append(r.b.lines, bytes.TrimSpace(e.Raw)...)
	rec.end = len(r.b.lines)
	r.b.records = append(r.b.records, rec)
}

// submit passes the batch on.
func (r *reading) submit(ctx context.Context) error {
	select {
	case r.queue <- r.b:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	r.todo <- r.b
	return nil
}
