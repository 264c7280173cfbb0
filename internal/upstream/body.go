package upstream

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream/adaptive"
)

// Body holds the verified bytes of a crate file: in Data, or if Spill is not nil, in the
// Spill that the request provided. Until Release, it occupies a slot of the client and, for
// Data, part of Config.MemoryBudget.
type Body struct {
	Data  []byte // must not be used after Release
	Spill Spill
	Size  int64
	From  string // URL that delivered it, if different from the request's

	client *Client
	slot   adaptive.Slot
	held   bool    // we must release slot
	buffer *[]byte // the memory of Data
	weight int64   // taken from the memory budget
}

// Release returns the slot and the memory. A second call does nothing.
func (b *Body) Release() {
	if b.client == nil {
		return
	}
	b.freeMemory()
	if b.held {
		b.client.limiter.Release(b.slot, adaptive.Completed)
	}
	b.client = nil
}

func (b *Body) freeMemory() {
	if b.buffer != nil {
		putBuffer(b.buffer)
		b.client.memory.Release(b.weight)
	}
	b.Data, b.buffer, b.weight = nil, nil, 0
}

// localError is a failure on our side, in the Spill.
type localError struct{ err error }

func (e *localError) Error() string { return e.err.Error() }
func (e *localError) Unwrap() error { return e.err }

// sizeError says that a body is larger than Config.MaxSize.
type sizeError struct{ limit int64 }

func (e *sizeError) Error() string {
	return fmt.Sprintf("the body has more than the %d bytes allowed", e.limit)
}

// bodyReader reads and hashes one response. It reads into memory if the body is small and
// the budget allows it, otherwise into the Spill.
type bodyReader struct {
	ctx      context.Context // of the attempt
	client   *Client
	fetch    *fetch
	watchdog *watchdog
	src      io.Reader
	hash     hash.Hash
	size     int64
	first    []byte // the first evidenceSize bytes of a spilled body
}

// read returns the body, whose bytes are not verified yet. length is the Content-Length, or
// -1.
func (r *bodyReader) read(length int64) (*Body, error) {
	cfg := &r.client.cfg
	if length > cfg.MaxSize {
		return nil, &sizeError{cfg.MaxSize}
	}
	r.hash = sha256.New()
	body := &Body{client: r.client}
	if err := r.fill(body, length); err != nil {
		body.Release()
		return nil, err
	}
	body.Size = r.size
	return body, nil
}

func (r *bodyReader) fill(body *Body, length int64) error {
	room := length
	if length < 0 {
		room = r.client.cfg.MemoryThreshold
	}
	if room <= r.client.cfg.MemoryThreshold && r.reserve(body, room) {
		if done, err := r.fillMemory(body, length); done || err != nil {
			return err
		}
	}
	return r.fillSpill(body)
}

// reserve takes a buffer for n bytes from the budget, and reports whether the budget had
// room.
func (r *bodyReader) reserve(body *Body, n int64) bool {
	size := bufferSize(n)
	if !r.client.memory.TryAcquire(size) {
		return false
	}
	body.weight, body.buffer = size, getBuffer(size)
	return true
}

// fillMemory reads the body into memory, and reports whether all of it fitted. If not,
// body.Data has the first part.
func (r *bodyReader) fillMemory(body *Body, length int64) (bool, error) {
	buf := *body.buffer
	n := 0
	for n < len(buf) {
		k, err := r.next(buf[n:])
		n += k
		body.Data = buf[:n]
		if err == io.EOF {
			return true, nil
		}
		if err != nil {
			return false, err
		}
		if int64(n) == length {
			return true, r.end()
		}
	}
	return false, nil
}

// end checks that the body ends where its Content-Length says. HTTP/1.1 reports that with
// the last bytes; HTTP/2 may still have to close its stream.
func (r *bodyReader) end() error {
	var more [1]byte
	n, err := io.ReadFull(r.src, more[:])
	if n > 0 {
		return errors.New("more bytes came than the Content-Length announced")
	}
	if err != io.EOF {
		return err
	}
	return nil
}

// fillSpill reads the rest into the Spill, after the part that fillMemory read.
func (r *bodyReader) fillSpill(body *Body) error {
	spill, err := r.fetch.openSpill()
	if err != nil {
		return &localError{err}
	}
	if err := r.write(spill, body.Data); err != nil {
		return err
	}
	body.freeMemory()
	body.Spill = spill

	buffer := getBuffer(spillBuffer)
	defer putBuffer(buffer)
	for {
		n, err := r.next(*buffer)
		if werr := r.write(spill, (*buffer)[:n]); werr != nil {
			return werr
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// next reads, counts and hashes.
func (r *bodyReader) next(p []byte) (int, error) {
	n, err := r.src.Read(p)
	if n > 0 {
		r.size += int64(n)
		r.watchdog.read.Add(int64(n))
		r.client.limiter.Received.Add(int64(n))
		r.hash.Write(p[:n])
		if err := r.client.cfg.Rates.take(r.ctx, r.watchdog, n); err != nil {
			return n, err
		}
	}
	if r.size > r.client.cfg.MaxSize {
		return n, &sizeError{r.client.cfg.MaxSize}
	}
	return n, err
}

func (r *bodyReader) write(spill Spill, p []byte) error {
	if missing := evidenceSize - len(r.first); missing > 0 {
		r.first = append(r.first, p[:min(len(p), missing)]...)
	}
	r.watchdog.busy.Store(true) // a slow disk is not a stall of upstream
	defer r.watchdog.busy.Store(false)
	if _, err := spill.Write(p); err != nil {
		return &localError{fmt.Errorf("writing the temporary file of %s: %w", r.fetch.req.ID, err)}
	}
	return nil
}

func (r *bodyReader) sum() (sum crate.Checksum) {
	r.hash.Sum(sum[:0])
	return sum
}

// head returns the first bytes that were read.
func (r *bodyReader) head(body *Body) []byte {
	if body.Spill != nil {
		return r.first
	}
	return body.Data[:min(len(body.Data), evidenceSize)]
}

// openSpill opens the Spill, or empties it after an earlier attempt.
func (f *fetch) openSpill() (Spill, error) {
	if f.spill != nil {
		if err := f.spill.Reset(); err != nil {
			return nil, fmt.Errorf("emptying the temporary file of %s: %w", f.req.ID, err)
		}
		return f.spill, nil
	}
	spill, err := f.req.Spill()
	if err != nil {
		return nil, fmt.Errorf("creating a temporary file for %s: %w", f.req.ID, err)
	}
	f.spill = spill
	return spill, nil
}
