package transfer

import (
	"bufio"
	"cmp"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"

	"github.com/klauspost/compress/zstd"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Compare orders crate files as a catalog does: by name without case, version, checksum.
func Compare(a, b crate.Key) int {
	return cmp.Or(
		compareFold(a.Name, b.Name),
		strings.Compare(a.Version, b.Version),
		strings.Compare(string(a.Checksum[:]), string(b.Checksum[:])),
	)
}

// compareFold compares names without the case of ASCII letters.
func compareFold(a, b string) int {
	for i := range min(len(a), len(b)) {
		if c := cmp.Compare(lower(a[i]), lower(b[i])); c != 0 {
			return c
		}
	}
	return cmp.Compare(len(a), len(b))
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// Digest computes the digest of a set.
type Digest struct {
	hash hash.Hash
	line []byte
	N    int64 // number of crate files so far
}

// NewDigest returns the digest of an empty set.
func NewDigest() *Digest { return &Digest{hash: sha256.New()} }

// Add adds the next crate file, in the order of Compare.
func (d *Digest) Add(key crate.Key) {
	d.line = append(append(append(d.line[:0], key.Name...), ' '), key.Version...)
	d.line = append(append(append(d.line, ' '), key.Checksum.String()...), '\n')
	d.hash.Write(d.line)
	d.N++
}

// Sum returns the digest of everything added.
func (d *Digest) Sum() (sum crate.Checksum) {
	d.hash.Sum(sum[:0])
	return sum
}

// An Entry is a crate file of a state, with only the first half of its checksum.
type Entry struct {
	crate.Key
	Since int // number of the point since which it is held
}

// halfSum is the length of a checksum in a state, in bytes.
const halfSum = 16

// StateWriter writes a state.
type StateWriter struct {
	zstd *zstd.Encoder
	out  *bufio.Writer
	line []byte
}

// NewStateWriter begins a state.
func NewStateWriter(w io.Writer) (*StateWriter, error) {
	z, err := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, err
	}
	return &StateWriter{zstd: z, out: bufio.NewWriterSize(z, 64<<10)}, nil
}

// Add adds the next crate file, in the order of Compare.
func (w *StateWriter) Add(e Entry) error {
	w.line = append(append(append(w.line[:0], e.Name...), ' '), e.Version...)
	w.line = append(append(w.line, ' '), e.Checksum.String()[:2*halfSum]...)
	w.line = append(strconv.AppendInt(append(w.line, ' '), int64(e.Since), 10), '\n')
	_, err := w.out.Write(w.line)
	return err
}

// End completes the state of a point.
func (w *StateWriter) End(p Point) error {
	fmt.Fprintf(w.out, "end %s\n", p.fields())
	return errors.Join(w.out.Flush(), w.zstd.Close())
}

// StateReader reads a state, which is untrusted.
type StateReader struct {
	zstd  *zstd.Decoder
	lines *bufio.Scanner
	last  crate.Key
	n     int64
	Point Point // after the end
}

const (
	maxEntries   = 100_000_000
	maxStateLine = 512
)

// NewStateReader returns a reader; the caller must call Close.
func NewStateReader(r io.Reader) (*StateReader, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(8<<20), zstd.WithDecoderMaxMemory(1<<40))
	if err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(make([]byte, 0, 4096), maxStateLine)
	return &StateReader{zstd: z, lines: lines}, nil
}

// Close releases the reader's memory.
func (r *StateReader) Close() { r.zstd.Close() }

// Next returns the next crate file. Errors: io.EOF after the last one, when Point is set;
// ErrFormat.
func (r *StateReader) Next() (e Entry, err error) {
	if !r.Point.IsZero() {
		return e, io.EOF
	}
	if !r.lines.Scan() {
		return e, fmt.Errorf("%w: a state that is cut off after %d lines (%w)", ErrFormat, r.n, cmp.Or(r.lines.Err(), io.ErrUnexpectedEOF))
	}
	fields := strings.Split(r.lines.Text(), " ")
	switch {
	case len(fields) == 1+pointFields && fields[0] == "end":
		err = r.end(fields[1:])
		if err == nil {
			return e, io.EOF
		}
	case len(fields) == 4:
		e, err = r.entry(fields)
	default:
		err = errors.New("it is neither a crate file nor the end")
	}
	r.n++
	if err != nil {
		return e, fmt.Errorf("%w: line %d of a state: %w", ErrFormat, r.n, err)
	}
	return e, nil
}

func (r *StateReader) entry(fields []string) (e Entry, err error) {
	e.ID = crate.ID{Name: fields[0], Version: fields[1]}
	if err := e.ID.Check(); err != nil {
		return e, err
	}
	if len(fields[2]) != 2*halfSum {
		return e, fmt.Errorf("%.80q is no half of a checksum", fields[2])
	}
	if e.Checksum, err = crate.ParseChecksum(fields[2] + strings.Repeat("0", 2*halfSum)); err != nil {
		return e, err
	}
	if e.Since, err = parseNumber(fields[3], maxPoint); err != nil {
		return e, err
	}
	if r.n > 0 && Compare(r.last, e.Key) >= 0 || r.n == maxEntries {
		return e, errors.New("it is not in order")
	}
	r.last = e.Key
	return e, nil
}

func (r *StateReader) end(fields []string) (err error) {
	p, err := parsePoint(fields)
	if err != nil {
		return err
	}
	if r.lines.Scan() || r.lines.Err() != nil {
		return errors.New("something follows the end")
	}
	r.Point = p
	return nil
}

// Half returns a key in the form of a state.
func Half(key crate.Key) crate.Key {
	clear(key.Checksum[halfSum:])
	return key
}
