package deep

import (
	"fmt"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/partfile"
)

// kind is how errors name the file of a Writer.
const kind = "segment"

// Writer writes a segment, as {name}.part until it is published: see [partfile.File], also
// for what a failed write or sync means. All methods may be called concurrently.
type Writer struct {
	file *partfile.File

	mu      sync.Mutex // guards the fields below
	entries []byte     // of the seek table
	sum     Summary    // without the file size
}

// Summary describes a segment.
type Summary struct {
	FileSize int64          // of the segment, in bytes
	Checksum crate.Checksum // of the segment; zero until it is finished
	Packs    int
	Versions int
	Size     int64  // sum of the .crates, in bytes
	Verbatim int64  // of those kept verbatim
	Min, Max string // first and last crate name, in byte order
}

// Create starts the segment name: it creates {name}.part, and returns fs.ErrExist if that
// exists.
func Create(fsys durable.FS, name string) (*Writer, error) {
	file, err := partfile.Create(fsys, kind, name)
	if err != nil {
		return nil, err
	}
	return &Writer{file: file}, nil
}

// Append writes a pack, and sets its Placement. The pack is durable after the next Sync;
// call Sync after each pack that must survive by itself. On ErrFull nothing was written;
// finish the segment.
func (w *Writer) Append(p *Pack) (Placement, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.file.Err()
	if err == nil && w.sum.Packs == MaxPacks {
		err = ErrFull
	}
	at := w.file.Size()
	if err == nil {
		_, err = w.file.Write(p.encoded)
	}
	if err != nil {
		return Placement{}, fmt.Errorf("appending a pack of %s: %w", p.Name, err)
	}
	p.Placement = Placement{at, p.Size()}
	w.add(&p.Directory)
	return p.Placement, nil
}

// add counts a pack that was written.
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
func (w *Writer) Sync() error { return w.file.Sync() }

// Summary returns the summary of the segment so far.
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

// Finish writes the seek table, and syncs. Then the segment can be published.
func (w *Writer) Finish() (Summary, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.file.Err(); err != nil {
		return Summary{}, err
	}
	if _, err := w.file.Write(tableFrame(w.entries)); err != nil {
		return Summary{}, fmt.Errorf("finishing segment: %w", err)
	}
	sum, err := w.file.Finish()
	if err != nil {
		return Summary{}, err
	}
	w.sum.Checksum = sum
	return w.summary(), nil
}

// Publish closes the finished segment and gives it its name.
func (w *Writer) Publish() error { return w.file.Publish() }

// Publish completes an interrupted Publish of a segment: see [partfile.Publish].
func Publish(fsys durable.FS, name string) error { return partfile.Publish(fsys, kind, name) }

// Close closes the unfinished segment, which [Resume] can continue; after Publish it does
// nothing. It does not sync.
func (w *Writer) Close() error { return w.file.Close() }
