package importtree

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// maxTable is the number of files that are hashed before the index is read for them; their
// table takes 64 MiB.
const maxTable = 4 << 20

// pending is the number of files that are hashed together.
const pending = 1024

// sums maps checksums to files whose paths say nothing. The names of the files are in a file
// on disk; memory holds their offsets, by the first eight bytes of each checksum.
type sums struct {
	im    *Import
	found sorter

	waiting []place
	table   []sum
	file    durable.File // nil: it is empty
	buf     *bufio.Writer
	at      int64
}

type sum struct {
	prefix uint64 // first bytes of the checksum
	at     int64  // offset of the record in the file
}

const sumsName = scratch + "sums"

// add queues a file for hashing, and hashes the queue if it is full.
func (s *sums) add(ctx context.Context, p place) error {
	if s.waiting = append(s.waiting, p); len(s.waiting) < pending {
		return nil
	}
	return s.look(ctx)
}

// look hashes the queued files that may be crates.
func (s *sums) look(ctx context.Context) error {
	hashed := make([]crate.Checksum, len(s.waiting))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.GOMAXPROCS(0))
	for i, p := range s.waiting {
		g.Go(func() error {
			hashed[i] = s.hash(p)
			return context.Cause(gctx)
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for i, sum := range hashed {
		if sum != (crate.Checksum{}) {
			if err := s.remember(sum, s.waiting[i]); err != nil {
				return err
			}
		}
	}
	s.waiting = s.waiting[:0]
	if len(s.table) < s.im.cfg.table {
		return nil
	}
	return s.match(ctx)
}

// hash returns the checksum of a file that begins like a crate, or zero for any other file.
func (s *sums) hash(p place) (sum crate.Checksum) {
	progress := s.im.cfg.Progress
	f, _, err := s.im.open(p)
	if err == nil {
		defer f.Close()
		var head [3]byte
		if _, err = io.ReadFull(f, head[:]); err == io.EOF || err == io.ErrUnexpectedEOF || err == nil && head != gzipHead {
			return sum
		}
		h := sha256.New()
		h.Write(head[:])
		var n int64
		if n, err = io.Copy(h, io.LimitReader(f, maxSize)); err == nil {
			progress.hashed.Add(1)
			progress.hashedBytes.Add(n)
			return crate.Checksum(h.Sum(nil))
		}
	}
	if errors.Is(err, durable.ErrTooLarge) { // too large for a crate, and it does not claim to be one
		return sum
	}
	progress.problem(&FileError{Path: s.im.path(p), Err: err})
	return sum
}

// gzipHead begins a gzip file with deflated content (RFC 1952), as all crate files do except a
// few from the first years.
var gzipHead = [3]byte{0x1f, 0x8b, 8}

// remember records the place of a file by its checksum.
func (s *sums) remember(of crate.Checksum, p place) (err error) {
	if s.file == nil {
		if s.file, err = s.im.cfg.Scratch.Create(sumsName); err != nil {
			return err
		}
		s.buf = bufio.NewWriterSize(s.file, gobBuffer)
	}
	record := append([]byte(nil), of[:]...)
	record = binary.AppendUvarint(record, uint64(p.Tree))
	record = binary.AppendUvarint(record, uint64(len(p.File)))
	record = append(record, p.File...)
	if _, err := s.buf.Write(record); err != nil {
		return err
	}
	s.table = append(s.table, sum{prefixOf(of), s.at})
	s.at += int64(len(record))
	return nil
}

func prefixOf(of crate.Checksum) uint64 { return binary.BigEndian.Uint64(of[:]) }

// match looks up the checksums found so far in the index, and clears them.
func (s *sums) match(ctx context.Context) error {
	if len(s.waiting) > 0 {
		if err := s.look(ctx); err != nil {
			return err
		}
	}
	if len(s.table) == 0 {
		return nil
	}
	s.im.cfg.Progress.enter("looking for checksums in the index")
	defer s.im.cfg.Progress.enter("looking through the trees")
	if err := s.buf.Flush(); err != nil {
		return err
	}
	slices.SortFunc(s.table, func(a, b sum) int { return cmp.Or(cmp.Compare(a.prefix, b.prefix), cmp.Compare(a.at, b.at)) })
	matched := int64(0)
	for c, err := range s.im.cfg.Index.Crates(ctx, nil) {
		if err != nil {
			return err
		}
		for i := range c.Entries {
			n, err := s.of(&c.Entries[i].ID, c.Entries[i].Checksum)
			if err != nil {
				return err
			}
			matched += n
		}
	}
	s.im.cfg.Progress.matched.Add(matched)
	s.table = s.table[:0]
	s.at = 0
	return s.remove()
}

// of adds to the sorter all files that have the checksum of a version.
func (s *sums) of(id *crate.ID, checksum crate.Checksum) (n int64, err error) {
	prefix := prefixOf(checksum)
	first, _ := slices.BinarySearchFunc(s.table, prefix, func(a sum, prefix uint64) int { return cmp.Compare(a.prefix, prefix) })
	for _, at := range s.table[first:] {
		if at.prefix != prefix {
			break
		}
		has, p, err := s.read(at.at)
		if err != nil {
			return n, fmt.Errorf("reading back what was hashed: %w", err)
		}
		if has != checksum {
			continue
		}
		if err := s.found.add(*id, p); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// read reads the record of a file.
func (s *sums) read(at int64) (sum crate.Checksum, p place, err error) {
	r := bufio.NewReaderSize(io.NewSectionReader(s.file, at, s.at-at), 512)
	if _, err = io.ReadFull(r, sum[:]); err != nil {
		return sum, p, err
	}
	tree, errTree := binary.ReadUvarint(r)
	size, errSize := binary.ReadUvarint(r)
	if err = errors.Join(errTree, errSize); err != nil || size > uint64(s.at) {
		return sum, p, errors.Join(err, io.ErrUnexpectedEOF)
	}
	name := make([]byte, size)
	_, err = io.ReadFull(r, name)
	return sum, place{int(tree), string(name)}, err
}

// remove removes the file.
func (s *sums) remove() error {
	if s.file == nil {
		return nil
	}
	err := errors.Join(s.file.Close(), s.im.cfg.Scratch.Remove(sumsName))
	s.file = nil
	return err
}
