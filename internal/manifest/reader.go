package manifest

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"

	"github.com/go-json-experiment/json"
)

// MaxLine bounds a line, in bytes. The longest of our own has some 2 KB.
const MaxLine = 1 << 20

var (
	// ErrTorn: the last line was not written whole; everything before it was.
	ErrTorn = errors.New("last line is torn")
	// ErrChain: a line does not continue the chain of the lines before it, so
	// lines were changed, dropped or added.
	ErrChain = errors.New("line does not continue the hash chain")
)

// A LineError says which line of a manifest is wrong. Reading goes on after it.
type LineError struct {
	Line int
	Err  error
}

func (e *LineError) Error() string { return fmt.Sprintf("manifest line %d: %v", e.Line, e.Err) }
func (e *LineError) Unwrap() error { return e.Err }

// Read yields the records of a manifest in order, our own or v1.1.0's (which
// has no chain). A line that cannot be used yields a *LineError in place of a
// record; the next line follows. A read error ends the sequence. Memory does
// not grow with the manifest.
func Read(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		br := bufio.NewReaderSize(r, 1<<16)
		var d decoder
		for n := 1; ; n++ {
			line, err := readLine(br)
			if err == io.EOF {
				return
			}
			if err != nil && !errors.Is(err, ErrTorn) && !errors.Is(err, bufio.ErrTooLong) {
				yield(Record{}, fmt.Errorf("reading manifest line %d: %w", n, err))
				return
			}
			var rec Record
			if err == nil {
				rec, err = d.decode(line)
			}
			if err != nil {
				rec, err = Record{}, &LineError{n, err}
			}
			if !yield(rec, err) {
				return
			}
		}
	}
}

// readLine returns a line without its end; io.EOF after the last; ErrTorn if
// the last has no end; bufio.ErrTooLong after skipping a line over MaxLine.
func readLine(br *bufio.Reader) ([]byte, error) {
	var line []byte
	long := false
	for {
		part, err := br.ReadSlice('\n')
		if long = long || len(line)+len(part) > MaxLine; !long {
			line = append(line, part...)
		}
		switch {
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(line) == 0 && !long:
			return nil, io.EOF
		case err == io.EOF:
			return nil, ErrTorn
		case err != nil:
			return nil, err
		case long:
			return nil, bufio.ErrTooLong
		}
		return bytes.TrimSuffix(line, []byte("\n")), nil
	}
}

// decoder follows the chain from line to line.
type decoder struct {
	chain   [sha256.Size]byte
	chained bool // a line with a chain was seen
}

func (d *decoder) decode(line []byte) (Record, error) {
	var rec Record
	bare, chain, ok := cutChain(line)
	if err := json.Unmarshal(bare, &rec); err != nil {
		return rec, err
	}
	if !ok {
		if d.chained {
			return rec, ErrChain
		}
		return rec, nil // v1.1.0
	}
	if !d.chained {
		if _, err := hex.Decode(d.chain[:], []byte(rec.Prev)); err != nil || len(rec.Prev) != 2*sha256.Size {
			return rec, ErrChain
		}
	}
	want := link(d.chain, bare)
	d.chain, d.chained = chain, true // go on from what the line says: one edit, one error
	if want != chain {
		return rec, ErrChain
	}
	return rec, nil
}

// cutChain splits a line into itself without the chain, and the chain.
func cutChain(line []byte) (bare []byte, chain [sha256.Size]byte, ok bool) {
	at := len(line) - chainSize - 1
	if at < 1 || !bytes.HasPrefix(line[at:], []byte(`,"chain":"`)) || !bytes.HasSuffix(line, []byte(`"}`)) {
		return line, chain, false
	}
	digits := line[at+len(`,"chain":"`) : len(line)-2]
	if _, err := hex.Decode(chain[:], digits); err != nil {
		return line, chain, false
	}
	return append(bytes.Clone(line[:at]), '}'), chain, true
}
