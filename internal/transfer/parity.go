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
	// PieceSize is the minimum that damage of a medium costs, in bytes.
	PieceSize = 256 << 10
	// groupSize is the maximum number of pieces that share their parity. Even with as much
	// parity again, a group is within the limits of GF(2^8), and fits into memory.
	groupSize = 100
	// SumSize is the stored length of the checksum of a piece, in bytes: enough to find
	// damage. The file's own checksum proves that it is what was signed.
	SumSize = 16
)

// A Layout says how the files of a transfer are cut into pieces, and these divided into
// groups.
type Layout struct {
	files  []File  // the protected files
	first  []int64 // number of the first piece of each
	parity []File
	n      int64 // number of pieces
	groups int64
	rows   int // pieces in the largest group
	extra  int // number of pieces of parity of each group
}

// Layout returns the layout of the files of a manifest.
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

// ParitySize returns the size of all parity, in bytes.
func (l *Layout) ParitySize() int64 { return l.groups * int64(l.extra) * PieceSize }

// blocksSize returns the size of the file of checksums, in bytes.
func (l *Layout) blocksSize() int64 {
	if l.groups == 0 {
		return 0
	}
	return (l.n + l.groups*int64(l.extra)) * SumSize
}

// A Source opens all copies of a file of a transfer for reading, complete or not.
type Source func(f *File) ([]io.ReaderAt, error)

// Pieces returns the pieces of a file by their numbers in the file of checksums: the first
// one, and how many there are, or 0.
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

// at returns the position of piece n.
func (l *Layout) at(n int64) (file *File, offset int64) {
	i := len(l.first) - 1
	for l.first[i] > n || pieces(l.files[i].Size) == 0 {
		i--
	}
	return &l.files[i], (n - l.first[i]) * PieceSize
}

// parityAt returns the position of a piece of parity, by its number in the order of the
// files.
func (l *Layout) parityAt(n int64) (file *File, offset int64) {
	offset = n * PieceSize
	for i := range l.parity {
		if offset < l.parity[i].Size {
			return &l.parity[i], offset
		}
		offset -= l.parity[i].Size
	}
	return nil, 0 // the manifest lists less than it should
}

// read reads a piece, padded with zeros after the end of its file. It reports whether a
// copy has all of it and passes good; if good is nil, every copy passes.
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

// ReadPiece reads piece n of a file from a copy, padded with zeros after the end of the file.
// number is its number in the file of checksums. It reports whether the piece is what was
// signed.
func ReadPiece(r io.ReaderAt, f *File, n, number int64, blocks io.ReaderAt, piece []byte) bool {
	return readCopy(r, f, n*PieceSize, piece) && isSum(blocks, number, piece)
}

// members returns the numbers of the pieces of a group.
func (l *Layout) members(group int64) (numbers []int64) {
	for n := group; n < l.n; n += l.groups {
		numbers = append(numbers, n)
	}
	return numbers
}

// coder returns the code for a group of k pieces.
func (l *Layout) coder(k int) (reedsolomon.Encoder, error) {
	return reedsolomon.New(k, l.extra, reedsolomon.WithMaxGoroutines(2))
}

// shards returns memory for the pieces of a group.
func (l *Layout) shards() [][]byte {
	shards := make([][]byte, l.rows+l.extra)
	for i := range shards {
		shards[i] = make([]byte, PieceSize)
	}
	return shards
}

// group returns the part of the memory for a group of k pieces.
func (l *Layout) group(shards [][]byte, k int) [][]byte {
	return append(append([][]byte(nil), shards[:k]...), shards[l.rows:]...)
}

// Encode writes the parity of the files, piece by piece, and the file of checksums.
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

// A LostError says that more pieces were lost than the parity can replace.
type LostError struct {
	Pieces, Parity int // lost pieces of a group, and its pieces of parity
}

func (e *LostError) Error() string {
	return fmt.Sprintf("%d of the pieces that belong together are lost, and there is parity for %d", e.Pieces, e.Parity)
}

// Rebuild makes the lost pieces of some files from the remaining pieces of all files, and
// passes them to put. blocks is the file of checksums. Errors: *LostError.
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
