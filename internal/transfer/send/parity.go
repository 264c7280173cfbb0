package send

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// parity writes the parity files, and the checksums of all pieces to a file that it
// returns.
func (w *writer) parity(ctx context.Context) (durable.File, error) {
	if err := remove(w.cfg.Sent, blocksName); err != nil {
		return nil, err
	}
	blocks, err := w.cfg.Sent.Create(blocksName)
	if err != nil {
		return nil, err
	}
	layout := w.manifest.Layout()
	if layout.ParitySize() == 0 {
		return blocks, nil
	}
	from := opened{ctx: ctx, w: w, files: map[string]durable.File{}}
	defer from.close()
	out := &parityWriter{w: w, left: layout.ParitySize()}
	err = layout.Encode(from.source, out, blocks)
	if err = errors.Join(err, out.close(err == nil)); context.Cause(ctx) != nil {
		err = context.Cause(ctx)
	}
	w.manifest.Volumes = w.room.volume
	if err != nil {
		return nil, errors.Join(err, blocks.Close())
	}
	return blocks, nil
}

// maxOpen bounds the files that are open at a time.
const maxOpen = 200

// opened are files of the transfer that are being read.
type opened struct {
	ctx   context.Context // of the parity
	w     *writer
	files map[string]durable.File
}

// source is a transfer.Source.
func (o *opened) source(f *transfer.File) ([]io.ReaderAt, error) {
	if context.Cause(o.ctx) != nil {
		return nil, context.Cause(o.ctx)
	}
	if o.files[f.Name] == nil {
		if len(o.files) == maxOpen {
			o.close()
		}
		file, err := o.w.out.Open(o.w.file(f.Volume, f.Name))
		if err != nil {
			return nil, err
		}
		o.files[f.Name] = file
	}
	return []io.ReaderAt{o.files[f.Name]}, nil
}

func (o *opened) close() {
	for _, f := range o.files {
		f.Close()
	}
	clear(o.files)
}

// parityWriter writes parity to volumes, piece by piece.
type parityWriter struct {
	w    *writer
	left int64 // bytes still to come
	n    int   // number of files so far
	file *durable.WholeFile
	is   transfer.File
	room int64 // of the file
	hash hash.Hash
}

// Write implements io.Writer; p is a piece.
func (o *parityWriter) Write(p []byte) (int, error) {
	if o.room < int64(len(p)) {
		if err := o.close(true); err != nil {
			return 0, err
		}
		if err := o.begin(int64(len(p))); err != nil {
			return 0, err
		}
	}
	n, err := o.file.Write(p)
	o.hash.Write(p[:n])
	o.room -= int64(n)
	o.left -= int64(n)
	o.is.Size += int64(n)
	return n, err
}

// begin begins the next file.
func (o *parityWriter) begin(piece int64) (err error) {
	o.n++
	room := &o.w.room
	if room.left() < piece {
		room.next()
		if err := o.w.folder(room.volume); err != nil {
			return err
		}
	}
	o.room = min(o.left, room.left()/piece*piece)
	o.is = transfer.File{Name: transfer.ParityName(o.n)}
	if o.is.Volume, err = o.w.choose(o.is.Name, o.room); err != nil {
		return err
	}
	if o.room == 0 {
		return &VolumeError{o.is.Name, piece, room.limit}
	}
	o.hash = sha256.New()
	o.file, err = durable.CreateWhole(o.w.out, o.w.file(o.is.Volume, o.is.Name), "")
	return err
}

// close ends a file.
func (o *parityWriter) close(good bool) error {
	if o.file == nil {
		return nil
	}
	file := o.file
	o.file = nil
	if !good {
		return file.Discard()
	}
	o.hash.Sum(o.is.SHA256[:0])
	o.w.add(o.is)
	return file.Replace()
}
