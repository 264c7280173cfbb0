package extract

import (
	"crypto/sha256"
	"errors"
	"fmt"
	stdhash "hash"
	"io"
	"io/fs"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// findSums reads the checksums of bundles, by name, from the catalog beside
// them. A catalog, or a line of it, that cannot be read says nothing: like
// manifests it is a hint.
func (r *run) findSums() {
	f, err := r.cfg.Bundles.Open(lists.CatalogName)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			r.cfg.Log.Warn("the catalog of the bundles cannot be read", "err", err)
		}
		return
	}
	defer f.Close()
	r.sums = map[bundle.Name]crate.Checksum{}
	for e, err := range lists.ReadCatalog(f) {
		if err != nil {
			r.cfg.Log.Warn("the catalog of the bundles, or a line of it, cannot be used", "err", err)
			continue
		}
		r.sums[e.Bundle] = e.Checksum // a later line stands
	}
}

// summing hashes a file while others read it from front to end, without reading
// it another time: most of it passes through in order.
type summing struct {
	r io.ReaderAt

	mu   sync.Mutex     // guards what follows
	pos  int64          // up to where the file was hashed, or is about to be
	file stdhash.Hash   // of the file
	buf  []byte         // is hashed at the moment
	busy sync.WaitGroup // the goroutine that does it
}

func newSumming(r io.ReaderAt) *summing { return &summing{r: r, file: sha256.New()} }

func (s *summing) ReadAt(p []byte, off int64) (int, error) {
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

// sum hashes the rest of the file, which has size bytes, and returns the checksum.
func (s *summing) sum(size int64) (sum crate.Checksum, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy.Wait()
	_, err = io.Copy(s.file, io.NewSectionReader(s.r, s.pos, size-s.pos))
	s.file.Sum(sum[:0])
	return sum, err
}

// compareSum compares a bundle that was read to its end with the catalog. There
// are bits in a frame that change no byte of what it decodes to: only this finds
// them flipped (E4).
func (r *run) compareSum(b *opened) {
	if b.sums == nil || b.damaged {
		return
	}
	got, err := b.sums.sum(b.size)
	if err == nil && got != b.want {
		err = fmt.Errorf("sha256 of the bundle is %s, but %s says %s: it was changed, even where every member is good", got, lists.CatalogName, b.want)
	}
	if err != nil {
		r.problem(Problem{Kind: Damaged, Bundle: b.name, Err: err})
	}
}
