package runlog

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"iter"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/jsonl"
)

// MaxLine bounds a line, in bytes. Our longest one has some 2 KB.
const MaxLine = 1 << 20

// ErrChain means that a line does not continue the chain of the lines before it, so lines
// were changed, removed or added.
var ErrChain = errors.New("line does not continue the hash chain")

// Read yields the records of a manifest in order, ours or v1.1.0's, which has no chain. An
// unusable line yields a *jsonl.LineError in place of a record; the next line follows. A
// read error ends the sequence. Memory does not grow with the manifest.
func Read(r io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		var d decoder // a new one for each use
		jsonl.Read(r, MaxLine, d.decode)(yield)
	}
}

// decoder checks the chain from line to line.
type decoder struct {
	chain   [sha256.Size]byte
	chained bool // a line with a chain was read
	strict  bool // every line must have one
}

func (d *decoder) decode(line []byte) (Record, error) {
	var rec Record
	bare, chain, ok := cutChain(line)
	if err := json.Unmarshal(bare, &rec); err != nil {
		return rec, err
	}
	if !ok {
		if d.chained || d.strict {
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
	d.chain, d.chained = chain, true // continue with the line's chain: one edit, one error
	if want != chain {
		return rec, ErrChain
	}
	return rec, nil
}

// cutChain splits a line into the line without the chain, and the chain.
func cutChain(line []byte) (bare []byte, chain [sha256.Size]byte, ok bool) {
	at := len(line) - chainSize - 1
	if at < 1 || !bytes.HasPrefix(line[at:], []byte(`,"chain":"`)) || !bytes.HasSuffix(line, []byte(`"}`)) {
		return line, chain, false
	}
	digits := line[at+len(`,"chain":"`) : len(line)-2]
	if _, err := hex.Decode(chain[:], digits); err != nil || hex.EncodeToString(chain[:]) != string(digits) {
		return line, chain, false
	}
	return append(bytes.Clone(line[:at]), '}'), chain, true
}
