package replica

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/overlay"
)

// packedRow is a line of the file that records the content of a segment until it is in the
// catalog.
type packedRow struct {
	Key  crate.Key
	Size int64
	At   store.DeepPlace
}

// rowsName returns the name of that file.
func (r *Replica) rowsName(f *root.File) string { return path.Join(r.in.Dir, f.Name+".rows") }

// checkSegments records the content of segments before any of it is used. It returns the
// damaged ones, whose readable part counts.
func (r *Replica) checkSegments(ctx context.Context, segments []*root.File) (damaged map[string]bool, err error) {
	damaged = map[string]bool{}
	for _, f := range segments {
		if damaged[f.Name], err = r.checkSegment(ctx, f); err != nil {
			return nil, err
		}
	}
	return damaged, nil
}

// checkSegment reads only the directories, and the bytes between them if a request would
// cost more.
func (r *Replica) checkSegment(ctx context.Context, f *root.File) (damaged bool, err error) {
	source := overlay.New(r.cfg.Bucket)
	source.ReadAhead = true
	source.Show(&root.Root{Segments: []root.File{*f}})
	segment, err := source.Folder(r.writer.State, root.DeepDir).Open(f.Name)
	if err != nil {
		return false, err
	}
	defer segment.Close()
	if err := r.in.To.Remove(r.rowsName(f)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	file, err := r.in.To.Create(r.rowsName(f))
	if err != nil {
		return false, err
	}
	w := bufio.NewWriter(file)
	damaged, err = r.noteRows(ctx, f, segment, json.NewEncoder(w))
	return damaged, errors.Join(err, w.Flush(), file.Close())
}

func (r *Replica) noteRows(ctx context.Context, f *root.File, segment durable.File, to *json.Encoder) (damaged bool, err error) {
	entries, bytes := 0, int64(0)
	for d, err := range deep.OpenKnown(f.Name, segment, f.Size).Directories() {
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case deep.IsDamage(err), errors.Is(err, deep.ErrTable), errors.Is(err, deep.ErrUnfinished):
			r.cfg.Log.Error("a segment of the deep archive is damaged: what can be read of it is served, and it is read again with the next root", "segment", f.Name, "err", err)
			damaged = true
			continue
		case err != nil:
			return false, err
		}
		for n := range d.Versions {
			entries, bytes = entries+1, bytes+d.Versions[n].Size
		}
		if entries > f.Entries || bytes > f.Bytes {
			break
		}
		if err := noteDirectory(f.Name, d, to); err != nil {
			return false, err
		}
	}
	if entries > f.Entries || bytes > f.Bytes || !damaged && (entries < f.Entries || bytes < f.Bytes) {
		return false, &ListError{f.Name, fmt.Errorf("%d crates of %d bytes, or more, are in it, the root says %d of %d", entries, bytes, f.Entries, f.Bytes)}
	}
	return damaged, nil
}

func noteDirectory(segment string, d *deep.Directory, to *json.Encoder) error {
	for n := range d.Versions {
		v := &d.Versions[n]
		if err := to.Encode(packedRow{v.Key, v.Size, store.DeepPlace{Segment: segment, Pack: d.Offset, PackSize: d.Size, Number: n}}); err != nil {
			return err
		}
	}
	return nil
}

// adoptSegment records in the catalog the content of a checked segment, and then that all
// of it is recorded, unless the segment is damaged.
func (r *Replica) adoptSegment(ctx context.Context, f *root.File, damaged bool) error {
	file, err := r.in.To.Open(r.rowsName(f))
	if err != nil {
		return err
	}
	defer file.Close()
	lines := json.NewDecoder(bufio.NewReader(store.Until(ctx, file)))
	rows := make([]catalog.Version, 0, batch)
	for more := true; more; {
		var row packedRow
		switch err := lines.Decode(&row); {
		case err == io.EOF:
			more = false
		case err != nil:
			return err
		default:
			rows = append(rows, catalog.Version{ID: row.Key.ID, Checksum: row.Key.Checksum, Size: row.Size, Placement: store.Placement{Deep: row.At}})
		}
		if len(rows) == batch || !more {
			if err := r.writer.Catalog.Adopt(ctx, rows); err != nil {
				return err
			}
			rows = rows[:0]
		}
	}
	if damaged {
		return nil
	}
	whole := catalog.Bundle{Name: f.Name, Whole: true, Entries: f.Entries, Bytes: f.Bytes, Checksum: f.SHA256}
	return r.writer.Catalog.Commit(ctx, catalog.Batch{Segments: []catalog.Bundle{whole}})
}
