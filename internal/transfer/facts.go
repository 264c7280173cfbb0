package transfer

import (
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/jsonl"
)

// A Fact is a line of facts.jsonl: what the index does not say about a version, or about a
// carried crate file.
type Fact struct {
	Kind    string         `json:"kind"` // gone, removed
	Name    string         `json:"name"`
	Version string         `json:"version"`
	SHA256  crate.Checksum `json:"sha256,omitzero"`   // removed: the bytes
	Time    time.Time      `json:"time"`              // gone: since when; removed: when that was found
	Status  int            `json:"status,omitzero"`   // gone: the status that upstream answered
	Text    string         `json:"evidence,omitzero"` // gone: and how
	Scope   string         `json:"scope,omitzero"`    // removed: what the index no longer names
	Commit  string         `json:"commit,omitzero"`   // removed: the commit of the index in which that was found
	Of      time.Time      `json:"of,omitzero"`       // removed: the time of that commit
}

// Kinds of facts.
const (
	IsGone    = "gone"
	IsRemoved = "removed"
)

// ID returns the version that the fact is about.
func (f *Fact) ID() crate.ID { return crate.ID{Name: f.Name, Version: f.Version} }

// maxFact bounds a line, in bytes: the evidence has the beginning of a response.
const maxFact = 64 << 10

// WriteFact writes a line.
func WriteFact(w io.Writer, f Fact) error {
	line, err := json.Marshal(f)
	if err == nil {
		_, err = w.Write(append(line, '\n'))
	}
	return err
}

// ReadFacts yields the facts of a file. An error ends the sequence: ErrFormat.
func ReadFacts(r io.Reader) iter.Seq2[Fact, error] {
	return func(yield func(Fact, error) bool) {
		for f, err := range jsonl.Read(r, maxFact, parseFact) {
			if err != nil {
				yield(f, fmt.Errorf("%w: %s: %w", ErrFormat, FactsName, err))
				return
			}
			if !yield(f, nil) {
				return
			}
		}
	}
}

func parseFact(line []byte) (f Fact, err error) {
	if err := json.Unmarshal(line, &f, json.RejectUnknownMembers(true)); err != nil {
		return f, err
	}
	if f.Kind != IsGone && f.Kind != IsRemoved {
		return f, fmt.Errorf("kind %.40q is not known", f.Kind)
	}
	if f.Commit != "" && (len(f.Commit) != 40 || !isHex(f.Commit)) {
		return f, fmt.Errorf("%.60q is no id of a commit", f.Commit)
	}
	switch f.Scope {
	case "", "crate", "version", "checksum":
	default:
		return f, fmt.Errorf("scope %.40q is not known", f.Scope)
	}
	return f, f.ID().Check()
}
