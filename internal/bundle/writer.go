package bundle

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

// PartExt ends the name of a bundle that is not finished.
const PartExt = ".part"

// Writer writes a bundle, as {name}.part until it is published. All methods
// may be called concurrently; they take turns, but for Sync, beside which members
// are appended.
//
// After a failed write or sync the Writer is dead: every later call returns
// ErrBroken. What was synced before is safe. After a failed write [Resume]
// finds it again; after a failed sync nothing that was read back from this
// file in this run proves that it is on the disk, so the members since the last
// Sync should be stored anew, in another bundle.
type Writer struct {
	fsys durable.FS
	name string

	// syncing is held while the file is synced without mu, and by whoever ends
	// it. It is taken before mu.
	syncing sync.Mutex

	mu      sync.Mutex // guards what follows
	file    durable.File
	hash    hash.Hash // of the file, as it is written
	entries []byte    // of the seek table
	sum     Summary
	err     error // why the Writer takes no more
}

// Summary describes a bundle.
type Summary struct {
	FileSize int64          // of the bundle, in bytes
	Checksum crate.Checksum // of the bundle; zero until it is finished
	Members  int
	Size     int64  // of all crates together, in bytes
	Min, Max string // first and last crate name, in byte order
}

var (
	errUnfinished = errors.New("bundle is not finished")
	errFinished   = errors.New("bundle is finished")
	errClosed     = errors.New("bundle is closed")
)

// Create starts the bundle name: it creates {name}.part, and fails with
// fs.ErrExist if that is there.
func Create(fsys durable.FS, name string) (*Writer, error) {
	file, err := fsys.Create(name + PartExt)
	if err != nil {
		return nil, fmt.Errorf("creating bundle: %w", err)
	}
	if err := fsys.SyncDir(path.Dir(name)); err != nil {
		return nil, fmt.Errorf("creating bundle %s: %w", name, errors.Join(err, file.Close()))
	}
	return newWriter(fsys, name, file), nil
}

func newWriter(fsys durable.FS, name string, file durable.File) *Writer {
	return &Writer{fsys: fsys, name: name, file: file, hash: sha256.New()}
}

// Append writes a member that [Encode] made. It is durable after the next
// Sync. ErrFull: nothing was written, the bundle should be finished.
func (w *Writer) Append(f Frame) (Placement, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	p := Placement{w.sum.FileSize, int64(len(f.Encoded))}
	if err := w.mayAppend(); err != nil {
		return Placement{}, fmt.Errorf("appending %s: %w", f.ID, err)
	}
	if err := w.write(f.Encoded); err != nil {
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
	start, hashed := w.sum.FileSize, cloneHash(w.hash)
	err := encodeStream(writerFunc(w.write), src, contentSize(len(head), size))
	m := Member{id, size, src.checksum(), Placement{start, w.sum.FileSize - start}}
	if err == nil {
		err = compare(id, want, m.Checksum, size)
	}
	if err == nil {
		w.add(m)
		return m, nil
	}
	if w.err == nil { // the file is good, what came for it was not
		w.hash = hashed
		return Member{}, errors.Join(err, w.cut(start))
	}
	return Member{}, err
}

func cloneHash(h hash.Hash) hash.Hash {
	c, err := h.(hash.Cloner).Clone()
	if err != nil {
		panic(err) // SHA-256 of the standard library can be cloned
	}
	return c.(hash.Hash)
}

// writerFunc is the part of the file that an encoder may write to.
type writerFunc func([]byte) error

func (f writerFunc) Write(p []byte) (int, error) {
	if err := f(p); err != nil {
		return 0, err
	}
	return len(p), nil
}

func (w *Writer) mayAppend() error {
	if w.err != nil {
		return w.err
	}
	if w.sum.Members >= MaxMembers {
		return ErrFull
	}
	return nil
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

// cut takes everything from offset on away.
func (w *Writer) cut(offset int64) error {
	if err := w.file.Truncate(offset); err != nil {
		return w.fail(err)
	}
	if _, err := w.file.Seek(offset, io.SeekStart); err != nil {
		return w.fail(err)
	}
	w.sum.FileSize = offset
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
func (w *Writer) Sync() error {
	w.syncing.Lock()
	defer w.syncing.Unlock()
	w.mu.Lock()
	err := w.err
	w.mu.Unlock()
	if err != nil {
		return err
	}
	if err = w.file.Sync(); err == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return fmt.Errorf("syncing bundle: %w", w.fail(err))
}

// sync is Sync for those who hold both mutexes.
func (w *Writer) sync() error {
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("syncing bundle: %w", w.fail(err))
	}
	return nil
}

// end begins a method that ends the bundle: nothing else goes on beside it.
func (w *Writer) end() (unlock func()) {
	w.syncing.Lock()
	w.mu.Lock()
	return func() { w.mu.Unlock(); w.syncing.Unlock() }
}

// Summary describes the bundle as it is now.
func (w *Writer) Summary() Summary {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sum
}

// Finish writes the end of the archive and the seek table, and makes all
// durable. The bundle then waits to be published.
func (w *Writer) Finish() (Summary, error) {
	defer w.end()()
	if w.err != nil {
		return Summary{}, w.err
	}
	end := endFrame()
	w.entries = appendEntry(w.entries, int64(len(end)), int64(len(endContent)))
	for _, b := range [][]byte{end, tableFrame(w.entries)} {
		if err := w.write(b); err != nil {
			return Summary{}, fmt.Errorf("finishing bundle: %w", err)
		}
	}
	if err := w.sync(); err != nil {
		return Summary{}, err
	}
	w.err = errFinished
	w.hash.Sum(w.sum.Checksum[:0])
	return w.sum, nil
}

// Publish closes the bundle, which must be finished, and gives it its name.
func (w *Writer) Publish() error {
	defer w.end()()
	if w.err != errFinished {
		return fmt.Errorf("publishing bundle: %w", cmp.Or(w.err, errUnfinished))
	}
	w.err = errClosed
	if err := w.file.Close(); err != nil {
		return fmt.Errorf("closing bundle: %w", err)
	}
	return Publish(w.fsys, w.name)
}

// Publish renames {name}.part to name, durably. It fails with fs.ErrExist,
// changing nothing, if anything is there already; where the same file is,
// because an earlier Publish was cut off, it completes that.
func Publish(fsys durable.FS, name string) error {
	err := fsys.Publish(name+PartExt, name)
	if err == nil {
		err = fsys.SyncDir(path.Dir(name))
	}
	if err != nil {
		return fmt.Errorf("publishing bundle: %w", err)
	}
	return nil
}

// Close leaves the bundle as it is, for [Resume]; after Publish it does
// nothing. It syncs nothing.
func (w *Writer) Close() error {
	defer w.end()()
	if w.err == errClosed {
		return nil
	}
	w.err = errClosed
	return w.file.Close()
}
