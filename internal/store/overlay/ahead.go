package overlay

import (
	"context"
	"io"
	"sync"
)

// Sizes for reading ahead, in bytes.
const (
	chunkSize = 16 << 20 // of one request
	// near is how far after the end of the last read another one may begin and still
	// continue it.
	near = 1 << 20
)

// ahead is a large piece of a file that is read forward.
type ahead struct {
	mu    sync.Mutex // guards the fields below, and lets one request run at a time
	data  []byte
	start int64 // of data in the file
	next  int64 // end of the last read
}

// read returns bytes of the piece, and gets the next piece if reads go forward. It returns
// nil if this read does not continue the others.
func (a *ahead) read(offset, size, end int64, get func(offset, size int64) ([]byte, error)) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	within := offset >= a.start && offset+size <= a.start+int64(len(a.data))
	forward := offset == 0 || offset >= a.next && offset-a.next <= near
	a.next = max(a.next, offset+size)
	if !within && (!forward || size > chunkSize) {
		a.next = offset + size
		return nil, nil
	}
	if !within {
		data, err := get(offset, min(chunkSize, end-offset))
		if err != nil {
			return nil, err
		}
		a.data, a.start = data, offset
	}
	return a.data[offset-a.start:][:size:size], nil
}

// chunked reads a range that is too large for memory, piece by piece.
type chunked struct {
	file *file
	ctx  context.Context // of one caller
	end  int64

	mu    sync.Mutex // guards what follows
	data  []byte
	start int64
}

// ReadAt implements io.ReaderAt.
func (c *chunked) ReadAt(p []byte, offset int64) (n int, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for n < len(p) {
		at := offset + int64(n)
		if at >= c.end {
			return n, io.EOF
		}
		if at < c.start || at >= c.start+int64(len(c.data)) {
			if c.data, err = c.file.get(c.ctx, at, min(chunkSize, c.end-at)); err != nil {
				return n, err
			}
			c.start = at
		}
		n += copy(p[n:], c.data[at-c.start:])
	}
	return n, nil
}
