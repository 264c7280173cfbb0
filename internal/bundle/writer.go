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

// PartExt is the extension of an unfinished bundle.
const PartExt = partfile.Ext

// kind is how errors name the file of a Writer.
const kind = "bundle"

// Writer writes a bundle, as {name}.part until it is published: see [partfile.File], also
// for what a failed write or sync means. All methods may be called concurrently; they take
// turns, except that members can be appended during a Sync.
type Writer struct {
	file *partfile.File

	mu      sync.Mutex // guards the fields below
	entries []byte     // of the seek table
	sum     Summary    // without the file size
}

// Summary describes a bundle.
type Summary struct {
	FileSize int64          // of the bundle, in bytes
	Checksum crate.Checksum // of the bundle; zero until it is finished
	Members  int
	Size     int64  // sum of the crates, in bytes
	Min, Max string // first and last crate name, in byte order
}

// Create starts the bundle name: it creates {name}.part, and returns fs.ErrExist if that
// exists.
func Create(fsys durable.FS, name string) (*Writer, error) {
	file, err := partfile.Create(fsys, kind, name)
	if err != nil {
		return nil, err
	}
	return &Writer{file: file}, nil
}

// Append writes a member that [Encode] made. It is durable after the next Sync. On ErrFull
// nothing was written; finish the bundle.
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

// AppendFrom writes a member of any size from src, which must have size bytes. It holds
// little of it in memory. The checksum of the member is that of the written bytes. If it
// differs from want, which may be nil, or if src fails, AppendFrom removes the member
// again, and the Writer stays usable.
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

// compare returns a ChecksumError if the bytes do not have the wanted checksum.
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
	if w.file.Err() == nil { // the file is intact, its source failed
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

// add counts a member whose frame was written.
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

// Sync makes everything durable that was appended before. Members appended meanwhile may or
// may not be durable.
func (w *Writer) Sync() error { return w.file.Sync() }

// Summary returns the summary of the bundle so far.
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

// Finish writes the end of the archive and the seek table, and syncs. Then the bundle can
// be published.
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

// Publish closes the finished bundle and gives it its name.
func (w *Writer) Publish() error { return w.file.Publish() }

// Publish completes an interrupted Publish of a bundle: see [partfile.Publish].
func Publish(fsys durable.FS, name string) error { return partfile.Publish(fsys, kind, name) }

// Close closes the unfinished bundle, which [Resume] can continue; after Publish it does
// nothing. It does not sync.
func (w *Writer) Close() error { return w.file.Close() }
