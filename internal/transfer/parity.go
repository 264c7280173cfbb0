package transfer

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/klauspost/reedsolomon"
)

const (
	// PieceSize is what damage of a medium costs at least, in bytes.
	PieceSize = 256 << 10
	// groupSize is how many pieces share their parity at most: with as much parity
	// again, they are within what GF(2^8) can do, and in memory at a time.
	groupSize = 100
	// SumSize is what is kept of the checksum of a piece: enough to find damage. That a
	// file is what was signed, its own checksum proves.
	SumSize = 16
)

// A Layout is how the files of a transfer are cut into pieces, and these into groups.
type Layout struct {
	files  []File  // those that are protected
	first  []int64 // number of the first piece of each
	parity []File
	n      int64 // pieces
	groups int64
	rows   int // pieces in the largest group
	extra  int // pieces of parity of each group
}

// Layout is the layout of the files of a manifest.
func (m *Manifest) Layout() *Layout {
	l := new(Layout)
	for _, f := range m.Files {
		switch f.Kind() {
		case Parity:
			l.parity = append(l.parity, f)
		case Index, Facts, Log, Bundle, Segment:
			l.files, l.first = append(l.files, f), append(l.first, l.n)
			l.n += pieces(f.Size)
		}
	}
	if m.Parity > 0 && l.n > 0 {
		l.groups = (l.n + groupSize - 1) / groupSize
		l.rows = int((l.n + l.groups - 1) / l.groups)
		l.extra = (l.rows*m.Parity + 99) / 100
	}
	return l
}

func pieces(size int64) int64 { return (size + PieceSize - 1) / PieceSize }

// ParitySize is the size of all parity in bytes.
func (l *Layout) ParitySize() int64 { return l.groups * int64(l.extra) * PieceSize }

// blocksSize is the size of the file of checksums in bytes.
func (l *Layout) blocksSize() int64 {
	if l.groups == 0 {
		return 0
	}
	return (l.n + l.groups*int64(l.extra)) * SumSize
}

// A Source opens all copies of a file of a transfer for reading, whole or not.
type Source func(f *File) ([]io.ReaderAt, error)

// Pieces are the pieces of a file by their numbers in the file of checksums: the first one,
// and how many; 0: it has none.
func (l *Layout) Pieces(f *File) (first, n int64) {
	for i := range l.files {
		if l.files[i].Name == f.Name {
			return l.first[i], pieces(f.Size)
		}
	}
	first = l.n
	for i := range l.parity {
		if l.parity[i].Name == f.Name {
			return first, pieces(f.Size)
		}
		first += l.parity[i].Size / PieceSize
	}
	return 0, 0
}

// at is where piece n is.
func (l *Layout) at(n int64) (file *File, offset int64) {
	i := len(l.first) - 1
	for l.first[i] > n || pieces(l.files[i].Size) == 0 {
		i--
	}
	return &l.files[i], (n - l.first[i]) * PieceSize
}

// parityAt is where a piece of parity is, by its number in the order of the files.
func (l *Layout) parityAt(n int64) (file *File, offset int64) {
	offset = n * PieceSize
	for i := range l.parity {
		if offset < l.parity[i].Size {
			return &l.parity[i], offset
		}
		offset -= l.parity[i].Size
	}
	return nil, 0 // the manifest has less than it should
}

// read reads a piece, with zeros behind the end of its file. It reports whether a copy has
// all of it that passes; if good is nil, any does.
func read(from Source, f *File, offset int64, piece []byte, good func() bool) bool {
	if f == nil {
		return false
	}
	copies, err := from(f)
	if err != nil {
		return false
	}
	return slices.ContainsFunc(copies, func(r io.ReaderAt) bool { return readCopy(r, f, offset, piece) && (good == nil || good()) })
}

func readCopy(r io.ReaderAt, f *File, offset int64, piece []byte) bool {
	clear(piece)
	want := min(int64(len(piece)), f.Size-offset)
	n, err := r.ReadAt(piece[:want], offset)
	return int64(n) == want && (err == nil || errors.Is(err, io.EOF))
}

// ReadPiece reads piece n of a file, which is that one of all pieces in the file of checksums,
// from a copy, with zeros behind the end of the file. It reports whether it is what was signed.
func ReadPiece(r io.ReaderAt, f *File, n, number int64, blocks io.ReaderAt, piece []byte) bool {
	return readCopy(r, f, n*PieceSize, piece) && isSum(blocks, number, piece)
}

// members are the numbers of the pieces of a group.
func (l *Layout) members(group int64) (numbers []int64) {
	for n := group; n < l.n; n += l.groups {
		numbers = append(numbers, n)
	}
	return numbers
}

// coder is the code for a group of so many pieces, and memory for them.
func (l *Layout) coder(k int) (reedsolomon.Encoder, error) {
	return reedsolomon.New(k, l.extra, reedsolomon.WithMaxGoroutines(2))
}

// shards is memory for the pieces of a group.
func (l *Layout) shards() [][]byte {
	shards := make([][]byte, l.rows+l.extra)
	for i := range shards {
		shards[i] = make([]byte, PieceSize)
	}
	return shards
}

// group chooses the memory for a group of k pieces.
func (l *Layout) group(shards [][]byte, k int) [][]byte {
	return append(append([][]byte(nil), shards[:k]...), shards[l.rows:]...)
}

// Encode writes the parity of files, piece by piece, and the file of checksums.
func (l *Layout) Encode(from Source, to io.Writer, blocks io.WriteSeeker) error {
	memory := l.shards()
	for g := range l.groups {
		numbers := l.members(g)
		shards := l.group(memory, len(numbers))
		for i, n := range numbers {
			f, offset := l.at(n)
			if !read(from, f, offset, shards[i], nil) {
				return fmt.Errorf("reading %s at offset %d for its parity: it is not there, or too short", f.Name, offset)
			}
			if err := putSum(blocks, n, shards[i]); err != nil {
				return err
			}
		}
		code, err := l.coder(len(numbers))
		if err != nil {
			return err
		}
		if err := code.Encode(shards); err != nil {
			return err
		}
		for i, piece := range shards[len(numbers):] {
			if err := putSum(blocks, l.n+g*int64(l.extra)+int64(i), piece); err != nil {
				return err
			}
			if _, err := to.Write(piece); err != nil {
				return err
			}
		}
	}
	return nil
}

func putSum(blocks io.WriteSeeker, n int64, piece []byte) error {
	sum := sha256.Sum256(piece)
	if _, err := blocks.Seek(n*SumSize, io.SeekStart); err != nil {
		return err
	}
	_, err := blocks.Write(sum[:SumSize])
	return err
}

func isSum(blocks io.ReaderAt, n int64, piece []byte) bool {
	var want [SumSize]byte
	if n, err := blocks.ReadAt(want[:], n*SumSize); n < SumSize || err != nil && !errors.Is(err, io.EOF) {
		return false
	}
	sum := sha256.Sum256(piece)
	return string(want[:]) == string(sum[:SumSize])
}

// A LostError says that more was lost than the parity can make good.
type LostError struct {
	Pieces, Parity int // lost of a group, and what there is for it
}

func (e *LostError) Error() string {
	return fmt.Sprintf("%d of the pieces that belong together are lost, and there is parity for %d", e.Pieces, e.Parity)
}

// Rebuild makes the lost pieces of some files again out of what is left of all, and gives
// them to put. blocks is the file of checksums. Errors: *LostError.
func (l *Layout) Rebuild(lost func(f *File) bool, blocks io.ReaderAt, from Source, put func(f *File, offset int64, piece []byte) error) error {
	if l.groups == 0 {
		return &LostError{1, 0}
	}
	memory := l.shards()
	for g := range l.groups {
		if err := l.rebuild(g, memory, lost, blocks, from, put); err != nil {
			return err
		}
	}
	return nil
}

func (l *Layout) rebuild(g int64, memory [][]byte, lost func(f *File) bool, blocks io.ReaderAt, from Source, put func(*File, int64, []byte) error) error {
	numbers := l.members(g)
	var wanted []int // of these pieces
	for i, n := range numbers {
		if f, _ := l.at(n); lost(f) {
			wanted = append(wanted, i)
		}
	}
	if len(wanted) == 0 {
		return nil
	}
	shards := l.group(memory, len(numbers))
	missing := 0
	for i := range shards {
		n, where := int64(0), l.at
		if i < len(numbers) {
			n = numbers[i]
		} else {
			n, where = g*int64(l.extra)+int64(i-len(numbers)), l.parityAt
		}
		f, offset := where(n)
		if i >= len(numbers) {
			n += l.n
		}
		if !read(from, f, offset, shards[i], func() bool { return isSum(blocks, n, shards[i]) }) {
			shards[i] = shards[i][:0]
			missing++
		}
	}
	if missing > l.extra {
		return &LostError{missing, l.extra}
	}
	code, err := l.coder(len(numbers))
	if err == nil {
		err = code.ReconstructData(shards)
	}
	if err != nil {
		return err
	}
	for _, i := range wanted {
		f, offset := l.at(numbers[i])
		if err := put(f, offset, shards[i][:min(PieceSize, f.Size-offset)]); err != nil {
			return err
		}
	}
	return nil
}
