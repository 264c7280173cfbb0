package deep

import (
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Writer writes a segment, as {name}.part until it is published. All methods may
// be called concurrently; they take turns.
//
// After a failed write or sync the Writer is dead: every later call returns
// ErrBroken. What was synced before is safe, and [Resume] finds it again; what was
// appended since should be packed anew, in another segment: after a failed sync
// nothing that is read back proves that it is on the disk.
type Writer struct {
	fsys durable.FS
	name string

	mu      sync.Mutex // guards what follows
	file    durable.File
	hash    hash.Hash // of the file, as it is written
	entries []byte    // of the seek table
	sum     Summary
	err     error // why the Writer takes no more
}

// Summary describes a segment.
type Summary struct {
	FileSize int64          // of the segment, in bytes
	Checksum crate.Checksum // of the segment; zero until it is finished
	Packs    int
	Versions int
	Size     int64  // of all .crates together, in bytes
	Verbatim int64  // of those that are kept verbatim
	Min, Max string // first and last crate name, in byte order
}

var (
	errUnfinished = errors.New("segment is not finished")
	errFinished   = errors.New("segment is finished")
	errClosed     = errors.New("segment is closed")
)

// Create starts the segment name: it creates {name}.part, and fails with
// fs.ErrExist if that is there.
func Create(fsys durable.FS, name string) (*Writer, error) {
	file, err := fsys.Create(name + PartExt)
	if err != nil {
		return nil, fmt.Errorf("creating segment: %w", err)
	}
	if err := fsys.SyncDir(path.Dir(name)); err != nil {
		return nil, fmt.Errorf("creating segment %s: %w", name, errors.Join(err, file.Close()))
	}
	return newWriter(fsys, name, file), nil
}

func newWriter(fsys durable.FS, name string, file durable.File) *Writer {
	return &Writer{fsys: fsys, name: name, file: file, hash: sha256.New()}
}

// Append writes a pack. It is durable after the next Sync, which comes before the
// next Append where every pack must survive on its own. ErrFull: nothing was
// written, the segment should be finished. The pack's Placement is set.
func (w *Writer) Append(p *Pack) (Placement, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.err
	if err == nil && w.sum.Packs == MaxPacks {
		err = ErrFull
	}
	at := w.sum.FileSize
	if err == nil {
		err = w.write(p.encoded)
	}
	if err != nil {
		return Placement{}, fmt.Errorf("appending a pack of %s: %w", p.Name, err)
	}
	p.Placement = Placement{at, p.Size()}
	w.add(&p.Directory)
	return p.Placement, nil
}

// write appends to the file. After an error the Writer is dead.
func (w *Writer) write(b []byte) error {
	n, err := w.file.Write(b)
	w.sum.FileSize += int64(n)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	if err != nil {
		return w.fail(err)
	}
	w.hash.Write(b)
	return nil
}

func (w *Writer) fail(err error) error {
	w.err = fmt.Errorf("%w: %w", ErrBroken, err)
	return err
}

// add accounts for a pack that was written.
func (w *Writer) add(d *Directory) {
	w.entries = appendEntry(w.entries, d)
	s := &w.sum
	if s.Packs == 0 {
		s.Min, s.Max = d.Name, d.Name
	}
	s.Min, s.Max = min(s.Min, d.Name), max(s.Max, d.Name)
	s.Packs++
	s.Versions += len(d.Versions)
	for n := range d.Versions {
		v := &d.Versions[n]
		s.Size += v.Size
		if v.Encoder == Verbatim {
			s.Verbatim += v.Size
		}
	}
}

// Sync makes everything durable that was appended before.
func (w *Writer) Sync() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sync()
}

func (w *Writer) sync() error {
	if w.err != nil {
		return w.err
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("syncing segment: %w", w.fail(err))
	}
	return nil
}

// Summary describes the segment as it is now.
func (w *Writer) Summary() Summary {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sum
}

// Finish writes the seek table and makes all durable. The segment then waits to be
// published.
func (w *Writer) Finish() (Summary, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return Summary{}, w.err
	}
	if err := w.write(tableFrame(w.entries)); err != nil {
		return Summary{}, fmt.Errorf("finishing segment: %w", err)
	}
	if err := w.sync(); err != nil {
		return Summary{}, err
	}
	w.err = errFinished
	w.hash.Sum(w.sum.Checksum[:0])
	return w.sum, nil
}

// Publish closes the segment, which must be finished, and gives it its name.
func (w *Writer) Publish() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != errFinished {
		return fmt.Errorf("publishing segment: %w", cmp.Or(w.err, errUnfinished))
	}
	w.err = errClosed
	if err := w.file.Close(); err != nil {
		return fmt.Errorf("closing segment: %w", err)
	}
	return Publish(w.fsys, w.name)
}

// Publish renames {name}.part to name, durably. It fails with fs.ErrExist,
// changing nothing, if anything is there already; where the same file is, because
// an earlier Publish was cut off, it completes that.
func Publish(fsys durable.FS, name string) error {
	err := fsys.Publish(name+PartExt, name)
	if err == nil {
		err = fsys.SyncDir(path.Dir(name))
	}
	if err != nil {
		return fmt.Errorf("publishing segment: %w", err)
	}
	return nil
}

// Close leaves the segment as it is, for [Resume]; after Publish it does nothing.
// It syncs nothing.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == errClosed {
		return nil
	}
	w.err = errClosed
	return w.file.Close()
}
