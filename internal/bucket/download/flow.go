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
	// pieceSize is how many bytes are read, written and hashed at a time. A piece stays in
	// the processor's cache meanwhile.
	pieceSize = 256 << 10
	// underWay is how many pieces are received, written and hashed at a time.
	underWay = 16
	// ahead bounds how many received pieces the check has not requested yet.
	ahead = 64
	// remembered is how many received pieces stay in memory for the check. A single read of
	// the check spans fewer than remembered - ahead pieces.
	remembered = ahead + 32
	// syncEvery is the number of bytes after which a sync begins, in parallel with the
	// other work, so that less is left to sync at the end.
	syncEvery = 32 << 20
)

// piece is a piece of the object.
type piece struct {
	memory [pieceSize]byte
	data   []byte
	at     int64        // offset in the file
	write  bool         // the file lacks it yet
	owners atomic.Int32 // goroutines that still use it
	free   chan *piece
}

func (x *piece) release() {
	if x.owners.Add(-1) == 0 {
		x.free <- x
	}
}

// flow is a partly received file, as its check sees it. It implements io.ReaderAt for any
// number of goroutines.
type flow struct {
	file durable.File
	hash hash.Hash // of the received bytes; the pump's until it is closed

	mu      sync.Mutex
	changed sync.Cond // signals changes of the fields below
	arrived int64     // bytes in the file
	asked   int64     // offset up to which the check has read
	last    []*piece  // recent pieces, in order
	left    bool      // the check is over, or there is none
	ended   bool      // no more bytes come
	err     error     // why
	told    bool      // the check saw err
}

func newFlow(file durable.File) *flow {
	f := &flow{file: file, hash: sha256.New()}
	f.changed.L = &f.mu
	return f
}

// ReadAt waits for the bytes. It takes recent ones from memory.
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

// await waits for bytes, and returns the pieces that contain them, or none if they are only
// in the file.
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

// came adds a piece that is in the file, and waits while the check is far behind.
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

// forget releases the first n pieces. The caller holds mu.
func (f *flow) forget(n int) {
	for _, x := range f.last[:n] {
		x.release()
	}
	f.last = append(f.last[:0], f.last[n:]...)
}

// leave marks the check as over.
func (f *flow) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.left = true
	f.forget(len(f.last))
	f.changed.Broadcast()
}

// end marks the end of the bytes, with the cause if some are missing.
func (f *flow) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.ended, f.err = true, err
	}
	f.changed.Broadcast()
}

// failed reports whether the check lacked bytes: its result then says nothing.
func (f *flow) failed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.told
}

// sum returns the checksum of the received bytes, once the pump is closed.
func (f *flow) sum() crate.Checksum { return crate.Checksum(f.hash.Sum(nil)) }
