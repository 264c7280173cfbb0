package index

import (
	"context"
	"fmt"
	"slices"
	"sync"
)

// MaxFile is the maximum size of an index file that is read, in bytes. The largest real one
// has 4 MB.
const MaxFile = 256 << 20

// The size of a chunk makes passing it between goroutines cheap (one file takes some 30 µs
// to read and parse). It is small enough to spread chunks over the cores and to hold a few
// dozen in memory.
const (
	chunkFiles = 16
	chunkBytes = 256 << 10
)

// A chunk is a number of index files on their way from the listing to the loop. One
// goroutine at a time owns it; closing done returns it to the run.
type chunk struct {
	crates  []Crate
	content []byte  // of all files
	ends    []int   // content of crates[i] ends at ends[i]
	entries []Entry // of all files
	taken   int64   // from the budget
	rest    *chunk  // the files for which content had no room
	err     error   // ends the run
	done    chan struct{}
}

// Most chunks fit into these sizes; larger buffers are not kept.
const (
	usualContent = 2 * chunkBytes // a full chunk and one more file
	usualEntries = 1024
)

var chunks = sync.Pool{New: func() any {
	return &chunk{content: make([]byte, 0, usualContent)}
}}

func newChunk() *chunk {
	c := chunks.Get().(*chunk)
	c.done = make(chan struct{})
	return c
}

// recycle lets later chunks use the memory of c, if that is of normal size.
func (c *chunk) recycle() {
	if cap(c.content) > usualContent || cap(c.entries) > usualEntries {
		return
	}
	clear(c.crates)
	clear(c.entries)
	chunks.Put(&chunk{crates: c.crates[:0], content: c.content[:0], ends: c.ends[:0], entries: c.entries[:0]})
}

// A reader reads index files, one at a time.
type reader interface {
	// read appends the content of cr's file to c with chunk.grow, or sets cr.Err. An error
	// that it returns ends the run.
	read(ctx context.Context, cr *Crate, c *chunk, b *budget) error
}

// fill reads the files of c. When content is full, it moves the remaining files to c.rest
// and returns that; the caller must fill it next.
func (c *chunk) fill(ctx context.Context, from reader, b *budget) *chunk {
	for i := range c.crates {
		if len(c.content) >= chunkBytes {
			return c.split(i)
		}
		cr := &c.crates[i]
		if cr.Err == nil {
			if c.err = from.read(ctx, cr, c, b); c.err != nil {
				return nil
			}
		}
		c.ends = append(c.ends, len(c.content))
	}
	return nil
}

func (c *chunk) split(i int) *chunk {
	c.rest = newChunk()
	c.rest.crates = append(c.rest.crates, c.crates[i:]...)
	c.crates = c.crates[:i]
	return c.rest
}

// grow appends size bytes, at most MaxFile, to c.content and returns them to be filled. It
// waits until the budget allows them.
func (c *chunk) grow(size int64, b *budget) ([]byte, error) {
	if err := b.take(c, size); err != nil {
		return nil, err
	}
	n := len(c.content)
	c.content = slices.Grow(c.content, int(size))[:n+int(size)]
	return c.content[n:], nil
}

// parse turns what fill has read into crates, and returns c to the run.
func (c *chunk) parse(p *fileParser) {
	start := 0
	for i, end := range c.ends {
		cr := &c.crates[i]
		cr.Same = cr.Err == nil && cr.known != Blob{} && cr.Blob == cr.known
		if cr.Err == nil && !cr.Same {
			c.entries = p.file(cr, c.content[start:end], c.entries)
		}
		start = end
	}
	close(c.done)
}

// work fills and parses chunks until the reader ends.
func (r *run) work(ctx context.Context, from reader) {
	p := &fileParser{log: r.log}
	for c := range r.todo {
		for c != nil {
			rest := c.fill(ctx, from, r.budget)
			c.parse(p)
			c = rest
		}
	}
}

func checkSize(size int64) error {
	if size > MaxFile {
		return fmt.Errorf("file has %d bytes, want at most %d", size, MaxFile)
	}
	return nil
}
