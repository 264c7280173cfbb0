package bundle

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/partfile"
)

// PartExt ends the name of a bundle that is not finished.
const PartExt = partfile.Ext

// kind is what the file of a Writer is called.
const kind = "bundle"

// Writer writes a bundle, as {name}.part until it is published: see [partfile.File], also
// for what a failed write or sync means. All methods may be called concurrently; they take
// turns, but for Sync, beside which members are appended.
type Writer struct {
	file *partfile.File

	mu      sync.Mutex // guards what follows
	entries []byte     // of the seek table
	sum     Summary    // without the size of the file
}

// Summary describes a bundle.
type Summary struct {
	FileSize int64          // of the bundle, in bytes
	Checksum crate.Checksum // of the bundle; zero until it is finished
	Members  int
	Size     int64  // of all crates together, in bytes
	Min, Max string // first and last crate name, in byte order
}

// Create starts the bundle name: it creates {name}.part, and fails with
// fs.ErrExist if that is there.
func Create(fsys durable.FS, name string) (*Writer, error) {
	file, err := partfile.Create(fsys, kind, name)
	if err != nil {
		return nil, err
	}
	return &Writer{file: file}, nil
}

// Append writes a member that [Encode] made. It is durable after the next
// Sync. ErrFull: nothing was written, the bundle should be finished.
func (w *Writer) Append(f Frame) (Placement, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := Placement{w.file.Size(), int64(len(f.Encoded))}
	if err := w.mayAppend(); err != nil {
		return Placement{}, fmt.Errorf("appending %s: %w", f.ID, err)
	}
	if _, err := w.file.Write(f.Encoded); err != nil {
		return Placement{}, fmt.Errorf("appending %s: %w", f.ID, err)
	}
	w.add(Member{f.ID, f.Size, f.Checksum, p})
	return p, nil
}

// AppendFrom writes a member of any size from src, which must hold size bytes.
// It holds little of it in memory. The member's checksum is that of the bytes
// that were written; if want is not nil and they are others, or if src fails,
// the member is taken back and the Writer stays good.
func (w *Writer) AppendFrom(id crate.ID, src io.Reader, size int64, want *crate.Checksum) (Member, error) {
	m, err := w.appendFrom(id, src, size, want)
	if err != nil {
		return Member{}, fmt.Errorf("appending %s: %w", id, err)
	}
	return m, nil
}

func (w *Writer) appendFrom(id crate.ID, src io.Reader, size int64, want *crate.Checksum) (Member, error) {
	if err := check(id, size); err != nil {
		return Member{}, err
	}
	if contentSize(headerSizeOf(id), size) > smallContent {
		return w.appendLarge(id, src, size, want)
	}
	data := buffers.Get().(*[]byte)
	defer buffers.Put(data)
	*data = grow(*data, size)
	exact := exactly(src, size)
	if _, err := io.ReadFull(exact, *data); err != nil {
		return Member{}, err
	}
	if _, err := exact.Read(nil); err != io.EOF {
		return Member{}, err
	}
	f, err := Encode(nil, id, *data)
	if err != nil {
		return Member{}, err
	}
	if err := compare(f.ID, want, f.Checksum, size); err != nil {
		return Member{}, err
	}
	p, err := w.Append(f)
	return Member{id, size, f.Checksum, p}, err
}

// compare returns a ChecksumError if the bytes are not those that were wanted.
func compare(id crate.ID, want *crate.Checksum, got crate.Checksum, size int64) error {
	if want == nil || *want == got {
		return nil
	}
	return &crate.ChecksumError{ID: id, Want: *want, Got: got, Size: size}
}

func (w *Writer) appendLarge(id crate.ID, data io.Reader, size int64, want *crate.Checksum) (Member, error) {
	head := appendHeader(nil, id, size)
	src := newSource(head, data, size)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.mayAppend(); err != nil {
		return Member{}, err
	}
	start, mark := w.file.Size(), w.file.Mark()
	err := encodeStream(w.file, src, contentSize(len(head), size))
	m := Member{id, size, src.checksum(), Placement{start, w.file.Size() - start}}
	if err == nil {
		err = compare(id, want, m.Checksum, size)
	}
	if err == nil {
		w.add(m)
		return m, nil
	}
	if w.file.Err() == nil { // the file is good, what came for it was not
		return Member{}, errors.Join(err, w.file.Back(mark))
	}
	return Member{}, err
}

func (w *Writer) mayAppend() error {
	if err := w.file.Err(); err != nil {
		return err
	}
	if w.sum.Members >= MaxMembers {
		return ErrFull
	}
	return nil
}

// add accounts for a member whose frame was written.
func (w *Writer) add(m Member) {
	w.entries = appendEntry(w.entries, m.FrameSize, contentSize(headerSizeOf(m.ID), m.Size))
	s := &w.sum
	if s.Members == 0 {
		s.Min, s.Max = m.ID.Name, m.ID.Name
	}
	s.Min, s.Max = min(s.Min, m.ID.Name), max(s.Max, m.ID.Name)
	s.Members++
	s.Size += m.Size
}

// Sync makes everything durable that was appended before. What is appended
// meanwhile may or may not be.
func (w *Writer) Sync() error { return w.file.Sync() }

// Summary describes the bundle as it is now.
func (w *Writer) Summary() Summary {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.summary()
}

func (w *Writer) summary() Summary {
	s := w.sum
	s.FileSize = w.file.Size()
	return s
}

// Finish writes the end of the archive and the seek table, and makes all
// durable. The bundle then waits to be published.
func (w *Writer) Finish() (Summary, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.file.Err(); err != nil {
		return Summary{}, err
	}
	end := endFrame()
	w.entries = appendEntry(w.entries, int64(len(end)), int64(len(endContent)))
	for _, b := range [][]byte{end, tableFrame(w.entries)} {
		if _, err := w.file.Write(b); err != nil {
			return Summary{}, fmt.Errorf("finishing bundle: %w", err)
		}
	}
	sum, err := w.file.Finish()
	if err != nil {
		return Summary{}, err
	}
	w.sum.Checksum = sum
	return w.summary(), nil
}

// Publish closes the bundle, which must be finished, and gives it its name.
func (w *Writer) Publish() error { return w.file.Publish() }

// Publish completes an earlier Publish of a bundle that was cut off: see [partfile.Publish].
func Publish(fsys durable.FS, name string) error { return partfile.Publish(fsys, kind, name) }

// Close leaves the bundle as it is, for [Resume]; after Publish it does
// nothing. It syncs nothing.
func (w *Writer) Close() error { return w.file.Close() }
