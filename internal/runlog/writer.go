package runlog

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// chainSize is the length of `,"chain":"{64 digits}"`.
const chainSize = len(`,"chain":""`) + 2*sha256.Size

// Writer appends records to the manifest of a run. Only one goroutine may use it.
type Writer struct {
	fsys  durable.FS
	name  string
	file  durable.File // nil until the first record
	chain [sha256.Size]byte
	first bool
	size  int64
	err   error // after a failed write the writer is dead
	buf   []byte
}

// Create returns a writer of the manifest name in fsys. The first Append renames an earlier
// run's manifest and continues its chain; a run without records leaves it where it is. The
// caller ensures that it is the only writer.
func Create(fsys durable.FS, name string) *Writer {
	return &Writer{fsys: fsys, name: name, first: true}
}

// Stream returns a writer to a stream (stream.Open), whose chain begins with zeros. A
// stream has no earlier manifest, and a torn line cannot be removed.
func Stream(f durable.File) *Writer { return &Writer{file: f, first: true} }

// begin creates the file.
func (w *Writer) begin() (err error) {
	if w.chain, err = setAside(w.fsys, w.name); err != nil {
		return err
	}
	if w.file, err = w.fsys.Create(w.name); err != nil {
		return err
	}
	return w.fsys.SyncDir(parent(w.name))
}

// Append writes records and makes them durable. It keeps no record. If it fails, it cuts the
// manifest back to the last complete record, as far as that is still possible, and every later
// call returns the same error.
func (w *Writer) Append(records iter.Seq[*Record]) error {
	if w.err != nil {
		return w.err
	}
	n, err := w.write(records)
	if err == nil && n > 0 {
		err = w.file.Sync()
	}
	if err != nil {
		if n > 0 {
			_ = w.file.Truncate(w.size) // best effort: a torn end is allowed
		}
		return w.fail(err)
	}
	w.size += n
	return nil
}

// Each yields the records of items, for those that have one. Each record overwrites the
// previous one.
func Each[T any](items []T, recordOf func(T) (rec Record, ok bool)) iter.Seq[*Record] {
	return func(yield func(*Record) bool) {
		var rec Record
		for _, item := range items {
			var ok bool
			if rec, ok = recordOf(item); ok && !yield(&rec) {
				return
			}
		}
	}
}

// atOnce is the number of bytes after which lines are written: a batch of the mirror has half
// a dozen times as many.
const atOnce = 1 << 20

// write writes the lines of records, and returns the number of bytes written, even with an
// error.
func (w *Writer) write(records iter.Seq[*Record]) (written int64, err error) {
	w.buf = w.buf[:0]
	for r := range records {
		if w.file == nil {
			if err := w.begin(); err != nil {
				return 0, err
			}
		}
		if w.encode(r); len(w.buf) < atOnce {
			continue
		}
		n, err := w.flush()
		if written += n; err != nil {
			return written, err
		}
	}
	n, err := w.flush()
	return written + n, err
}

// flush writes the lines in w.buf, and returns the number of bytes written.
func (w *Writer) flush() (written int64, err error) {
	if len(w.buf) == 0 {
		return 0, nil
	}
	n, err := w.file.Write(w.buf)
	w.buf = w.buf[:0]
	return int64(n), err
}

func (w *Writer) fail(err error) error {
	w.err = fmt.Errorf("writing manifest: %w", err)
	return w.err
}

// encode appends one line to w.buf and updates the chain.
func (w *Writer) encode(r *Record) {
	prev := ""
	if w.first {
		prev, w.first = hex.EncodeToString(w.chain[:]), false
	}
	// The hash begins with the previous chain, so that is temporarily put before the line.
	start := len(w.buf)
	w.buf = append(w.buf, w.chain[:]...)
	w.buf = r.appendTo(w.buf, prev)
	w.chain = sha256.Sum256(w.buf[start:])
	w.buf = w.buf[:start+copy(w.buf[start:], w.buf[start+sha256.Size:])-1] // without the closing brace
	w.buf = append(w.buf, `,"chain":"`...)
	w.buf = hex.AppendEncode(w.buf, w.chain[:])
	w.buf = append(w.buf, "\"}\n"...)
}

// link returns the chain after a line, given the line without its chain.
func link(chain [sha256.Size]byte, line []byte) [sha256.Size]byte {
	h := sha256.New()
	h.Write(chain[:])
	h.Write(line)
	h.Sum(chain[:0])
	return chain
}

// Close closes the file. Everything appended is durable already.
func (w *Writer) Close() error {
	if w.file == nil {
		return nil
	}
	return w.file.Close()
}
