package store

import (
	"crypto/sha256"
	"hash"
	"io"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Summing hashes a file while others read it from front to end, so that it is read only
// once: most of it is read in order.
type Summing struct {
	r io.ReaderAt

	mu   sync.Mutex     // guards what follows
	pos  int64          // up to which the file was hashed, or is about to be
	file hash.Hash      // of the file
	buf  []byte         // being hashed
	busy sync.WaitGroup // the goroutine that hashes
}

// NewSumming returns a Summing of r, which must be at its start.
func NewSumming(r io.ReaderAt) *Summing { return &Summing{r: r, file: sha256.New()} }

// ReadAt implements io.ReaderAt.
func (s *Summing) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.r.ReadAt(p, off)
	s.mu.Lock()
	defer s.mu.Unlock()
	if skip := s.pos - off; skip >= 0 && skip < int64(n) {
		s.busy.Wait()
		s.buf = append(s.buf[:0], p[skip:n]...)
		s.pos = off + int64(n)
		s.busy.Go(func() { s.file.Write(s.buf) })
	}
	return n, err
}

// Sum hashes the rest of the file, which has size bytes, and returns the checksum.
func (s *Summing) Sum(size int64) (sum crate.Checksum, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy.Wait()
	_, err = io.Copy(s.file, io.NewSectionReader(s.r, s.pos, size-s.pos))
	s.file.Sum(sum[:0])
	return sum, err
}
