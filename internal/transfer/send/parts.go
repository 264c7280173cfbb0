package send

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

const (
	// maxMembers bounds the members of a bundle of a transfer, and so its memory.
	maxMembers = 1 << 16
	// endSize is the size of what follows the members of a bundle, and entrySize that of a
	// member's entry in the seek table, in bytes.
	endSize, entrySize = 512, 8
)

// atMost returns the maximum size of a member, in bytes.
func atMost(r *row) int64 {
	const header, alignment, frame = 3 * 512, 512, 64
	size := r.Size + header + alignment
	return size + size>>8 + frame + entrySize
}

// parts writes bundles of the transfer for what is not carried in a file of the mirror. The
// content of a bundle depends only on the plan.
func (w *writer) parts(ctx context.Context) error {
	var some []row
	size := int64(endSize)
	for r, err := range readSpool(w.cfg.Sent) {
		if err != nil {
			return err
		}
		if isWhole(w.plan, r.At) {
			continue
		}
		need := atMost(&r)
		if len(some) > 0 && (size+need > w.target() || len(some) == maxMembers) {
			if err := w.part(ctx, some); err != nil {
				return err
			}
			some, size = some[:0], endSize
		}
		some = append(some, r)
		size += need
	}
	if len(some) == 0 {
		return nil
	}
	return w.part(ctx, some)
}

// target returns the maximum size of the next bundle: the rest of the volume, unless that
// is small.
func (w *writer) target() int64 {
	if left := w.room.left(); left > w.room.limit/10 {
		return left
	}
	return w.room.limit
}

// part writes a bundle, unless it exists.
func (w *writer) part(ctx context.Context, rows []row) error {
	size := int64(endSize)
	for i := range rows {
		size += atMost(&rows[i])
	}
	if size > w.room.limit && len(rows) == 1 {
		return &VolumeError{rows[0].ID.String(), size, w.room.limit}
	}
	if w.room.volume == 0 || size > w.room.left() {
		w.room.next()
		if err := w.folder(w.room.volume); err != nil {
			return err
		}
	}
	f := transfer.File{Volume: w.room.volume, Name: bundle.FileName(w.bundles), Entries: len(rows)}
	w.bundles++
	var err error
	if f.SHA256, f.Size, err = w.written(&f, rows); err != nil {
		f.SHA256, f.Size, err = w.pack(ctx, &f, rows)
	} else {
		w.kept++
	}
	if err != nil {
		return err
	}
	w.room.used += f.Size
	w.add(f)
	return nil
}

// pack writes a bundle.
func (w *writer) pack(ctx context.Context, f *transfer.File, rows []row) (sum crate.Checksum, size int64, err error) {
	name := w.file(f.Volume, f.Name)
	if err := remove(w.out, name); err != nil { // something else, or damaged
		return sum, 0, err
	}
	b, err := bundle.Create(w.out, name)
	if err != nil {
		return sum, 0, err
	}
	for i := range rows {
		if err = w.member(ctx, b, &rows[i]); err != nil {
			return sum, 0, errors.Join(err, b.Close())
		}
	}
	s, err := b.Finish()
	if err == nil {
		err = b.Publish()
	}
	return s.Checksum, s.FileSize, errors.Join(err, b.Close())
}

// member adds a crate file to a bundle, from wherever it is now.
func (w *writer) member(ctx context.Context, b *bundle.Writer, r *row) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	err := w.append(ctx, b, r)
	if err == nil || errors.Is(err, bundle.ErrBroken) {
		return err
	}
	now, nowErr := where(ctx, w.cfg, r.key()) // the mirror may have moved it
	if errors.Is(nowErr, fs.ErrNotExist) {
		return fmt.Errorf("%s is no longer held: run this with another -since, or -full: %w", r.ID, err)
	}
	if nowErr != nil || now.Placement == r.At {
		return cmp.Or(nowErr, err)
	}
	moved := *r
	moved.At = now.Placement
	return w.append(ctx, b, &moved)
}

func (w *writer) append(ctx context.Context, b *bundle.Writer, r *row) error {
	c, err := w.cfg.Mirror.Store.Open(ctx, r.key(), r.At)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = b.AppendFrom(r.ID, c, r.Size, &r.Sum)
	return err
}

// written checks whether an earlier run has written the bundle with exactly these members.
func (w *writer) written(f *transfer.File, rows []row) (sum crate.Checksum, size int64, err error) {
	file, err := w.out.Open(w.file(f.Volume, f.Name))
	if err != nil {
		return sum, 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return sum, 0, err
	}
	r, err := bundle.Open(file, info.Size())
	if err != nil {
		return sum, 0, err
	}
	i := 0
	for m, err := range r.Members() {
		if err != nil {
			return sum, 0, err
		}
		if i == len(rows) || m.ID != rows[i].ID || m.Checksum != rows[i].Sum {
			return sum, 0, errors.New("it has other members")
		}
		i++
	}
	if i != len(rows) {
		return sum, 0, errors.New("it has less members")
	}
	return crate.Hash(file)
}
