package download

import (
	"crypto/sha256"
	"hash"
	"sync"
	"sync/atomic"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

const (
	// pieceSize is what is read, written and hashed at a time, in bytes: it stays in the
	// cache of a processor while it passes.
	pieceSize = 256 << 10
	// underWay is how many pieces are received, written and hashed at a time.
	underWay = 16
	// ahead bounds how many pieces may have come that the check has not asked for.
	ahead = 64
	// remembered is how many pieces that have come stay in memory for the check, which
	// asks for less than their difference to ahead at a time.
	remembered = ahead + 32
	// syncEvery is after how many bytes the disk begins to keep them, beside the rest of the
	// work: else all of it would be left for the end.
	syncEvery = 32 << 20
)

// piece is some bytes that come.
type piece struct {
	memory [pieceSize]byte
	data   []byte
	at     int64        // of the first, in the file
	write  bool         // they are not in the file yet
	owners atomic.Int32 // that have not done with it
	free   chan *piece
}

func (x *piece) release() {
	if x.owners.Add(-1) == 0 {
		x.free <- x
	}
}

// flow is a file that is coming, as its check sees it. It implements io.ReaderAt, for any
// number of goroutines.
type flow struct {
	file durable.File
	hash hash.Hash // of what has come; the pump's until that is closed

	mu      sync.Mutex
	changed sync.Cond // any of what follows
	arrived int64     // bytes in the file
	asked   int64     // bytes up to where the check has asked for
	last    []*piece  // that came, in order
	left    bool      // the check is over, or there is none
	ended   bool      // nothing more comes
	err     error     // why
	told    bool      // the check was told
}

func newFlow(file durable.File) *flow {
	f := &flow{file: file, hash: sha256.New()}
	f.changed.L = &f.mu
	return f
}

// ReadAt waits for the bytes. Those that came just now it takes from memory.
func (f *flow) ReadAt(p []byte, off int64) (int, error) {
	found, err := f.await(off, off+int64(len(p)))
	if err != nil {
		return 0, err
	}
	if len(found) == 0 {
		return f.file.ReadAt(p, off)
	}
	n := 0
	for _, x := range found {
		n += copy(p[n:], x.data[off+int64(n)-x.at:])
		x.release()
	}
	return n, nil
}

// await waits for bytes, and returns the pieces that have them; none: they are in the
// file alone.
func (f *flow) await(from, to int64) ([]*piece, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.asked < to {
		f.asked = to
		f.changed.Broadcast()
	}
	for f.arrived < to && !f.ended {
		f.changed.Wait()
	}
	if f.arrived < to && f.err != nil {
		f.told = true
		return nil, f.err
	}
	var found []*piece
	for _, x := range f.last {
		if x.at < to && from < x.at+int64(len(x.data)) {
			found = append(found, x)
		}
	}
	if len(found) == 0 || found[0].at > from || f.arrived < to {
		return nil, nil
	}
	for _, x := range found {
		x.owners.Add(1)
	}
	return found, nil
}

// came says that a piece is in the file, and waits while the check is far behind.
func (f *flow) came(x *piece) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.arrived += int64(len(x.data))
	if f.left {
		x.release()
		return
	}
	if f.last = append(f.last, x); len(f.last) > remembered {
		f.forget(1)
	}
	f.changed.Broadcast()
	for f.arrived > f.asked+ahead*pieceSize && !f.left && !f.ended {
		f.changed.Wait()
	}
}

// forget gives the first pieces back. The caller holds mu.
func (f *flow) forget(n int) {
	for _, x := range f.last[:n] {
		x.release()
	}
	f.last = append(f.last[:0], f.last[n:]...)
}

// leave says that the check is over.
func (f *flow) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = true
	f.forget(len(f.last))
	f.changed.Broadcast()
}

// end says that nothing more comes, and why if that is not all.
func (f *flow) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.ended, f.err = true, err
	}
	f.changed.Broadcast()
}

// failed reports whether the check lacked bytes: what it has found then says nothing.
func (f *flow) failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.told
}

// sum is the checksum of what has come, once the pump is closed.
func (f *flow) sum() crate.Checksum { return crate.Checksum(f.hash.Sum(nil)) }
