package statement

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// MaxProof bounds a proof, in bytes.
const MaxProof = 64 << 10

// First lines.
const (
	inclusionHeader   = "c2sp.org/tlog-proof@v1\n"
	consistencyHeader = "clonecratesio/consistency-proof@v1\n"
)

// An Inclusion proves that the log of a checkpoint has a leaf.
type Inclusion struct {
	Key        crate.Key // of the leaf
	Index      int64     // of the leaf, from 0
	Path       tlog.RecordProof
	Checkpoint []byte
}

// Format formats the proof.
func (p *Inclusion) Format() []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%sextra %s\nindex %d\n", inclusionHeader, strictBase64.EncodeToString([]byte(Line(p.Key))), p.Index)
	writeHashes(&b, p.Path)
	b.WriteByte('\n')
	b.Write(p.Checkpoint)
	return b.Bytes()
}

// ParseInclusion parses a proof, without checking it.
func ParseInclusion(data []byte) (*Inclusion, error) {
	head, checkpoint, err := cutHead(data, inclusionHeader)
	if err != nil {
		return nil, err
	}
	if len(head) < 2 {
		return nil, errors.New("the proof ends before its second line")
	}
	extra, okExtra := strings.CutPrefix(head[0], "extra ")
	index, okIndex := strings.CutPrefix(head[1], "index ")
	if !okExtra || !okIndex {
		return nil, errors.New(`the proof has no lines "extra" and "index"`)
	}
	p := &Inclusion{Checkpoint: checkpoint}
	line, err := strictBase64.DecodeString(extra)
	if err == nil {
		p.Key, err = ParseLine(string(line))
	}
	if err == nil {
		p.Index, err = strconv.ParseInt(index, 10, 64)
	}
	if err == nil {
		p.Path, err = parseHashes(head[2:])
	}
	if err == nil && !bytes.Equal(p.Format(), data) {
		err = errors.New("it could be written otherwise")
	}
	if err != nil {
		return nil, fmt.Errorf("reading the proof: %w", err)
	}
	return p, nil
}

// Check verifies the proof and returns the statement that covers the leaf.
func (p *Inclusion) Check(verify Verify) (*Statement, error) {
	s, err := Open(p.Checkpoint, verify)
	if err != nil {
		return nil, err
	}
	if p.Index < 0 || p.Index >= s.N {
		return nil, fmt.Errorf("the proof is about leaf %d of %d", p.Index, s.N)
	}
	if err := tlog.CheckRecord(p.Path, s.N, s.Hash, p.Index, LeafHash(p.Key)); err != nil {
		return nil, fmt.Errorf("the path does not lead from leaf %d (%s with sha256 %s) to the root that is signed", p.Index, p.Key.ID, p.Key.Checksum)
	}
	return s, nil
}

// A Consistency proves that the log of one checkpoint begins with that of an earlier one.
type Consistency struct {
	Path       tlog.TreeProof
	Old, Later []byte // checkpoints
}

// Format formats the proof.
func (p *Consistency) Format() []byte {
	var b bytes.Buffer
	b.WriteString(consistencyHeader)
	writeHashes(&b, p.Path)
	fmt.Fprintf(&b, "\n%s\n%s", p.Old, p.Later)
	return b.Bytes()
}

// ParseConsistency parses a proof, without checking it.
func ParseConsistency(data []byte) (*Consistency, error) {
	head, rest, err := cutHead(data, consistencyHeader)
	if err != nil {
		return nil, err
	}
	parts := strings.SplitAfter(string(rest), "\n\n") // text, signatures, text, signatures
	if len(parts) != 4 {
		return nil, errors.New("reading the proof: want two checkpoints in it, an empty line between them")
	}
	p := &Consistency{Old: []byte(parts[0] + strings.TrimSuffix(parts[1], "\n")), Later: []byte(parts[2] + parts[3])}
	if p.Path, err = parseHashes(head); err != nil {
		return nil, fmt.Errorf("reading the proof: %w", err)
	}
	if !bytes.Equal(p.Format(), data) {
		return nil, errors.New("reading the proof: it could be written otherwise")
	}
	return p, nil
}

// Check verifies that the log of the later statement begins with that of the earlier one,
// and returns both.
func (p *Consistency) Check(verify Verify) (old, later *Statement, err error) {
	if old, err = Open(p.Old, verify); err != nil {
		return nil, nil, fmt.Errorf("earlier checkpoint: %w", err)
	}
	if later, err = Open(p.Later, verify); err != nil {
		return nil, nil, fmt.Errorf("later checkpoint: %w", err)
	}
	return old, later, p.check(old, later)
}

func (p *Consistency) check(old, later *Statement) error {
	switch {
	case old.Origin != later.Origin:
		return fmt.Errorf("the checkpoints are of two logs, %q and %q", old.Origin, later.Origin)
	case old.At.After(later.At): // of the same leaves, nothing else tells which came first
		return fmt.Errorf("the earlier checkpoint is of %s, the later one of %s", old.At.Format(time.RFC3339), later.At.Format(time.RFC3339))
	case old.N > later.N:
		return fmt.Errorf("the earlier checkpoint has %d leaves, the later one %d", old.N, later.N)
	case old.N == later.N && (old.Hash != later.Hash || len(p.Path) > 0):
		return fmt.Errorf("both checkpoints have %d leaves and not the same root: history was changed, or the proof is of others", old.N)
	case old.N == later.N:
		return nil
	}
	if tlog.CheckTree(p.Path, later.N, later.Hash, old.N, old.Hash) != nil {
		return fmt.Errorf("the %d leaves of the earlier checkpoint are not the first of the later one's %d: history was changed, or the proof is of others", old.N, later.N)
	}
	return nil
}

// IsInclusion reports whether data claims to be an inclusion proof; IsConsistency does so
// for a consistency proof.
func IsInclusion(data []byte) bool   { return bytes.HasPrefix(data, []byte(inclusionHeader)) }
func IsConsistency(data []byte) bool { return bytes.HasPrefix(data, []byte(consistencyHeader)) }

// maxHashes bounds the hashes of a proof: two for each level of the tree.
const maxHashes = 2 * 64

// cutHead returns the lines between the header and the first empty line, and what follows
// that.
func cutHead(data []byte, header string) (lines []string, rest []byte, err error) {
	if len(data) > MaxProof {
		return nil, nil, fmt.Errorf("the proof has %d bytes, want at most %d", len(data), MaxProof)
	}
	text, ok := strings.CutPrefix(string(data), header)
	if !ok {
		return nil, nil, fmt.Errorf("the file does not begin with the line %q", strings.TrimSuffix(header, "\n"))
	}
	for line := range strings.Lines(text) {
		if line == "\n" {
			return lines, data[len(header)+lengthOf(lines)+1:], nil
		}
		lines = append(lines, strings.TrimSuffix(line, "\n"))
		if len(lines) > maxHashes {
			return nil, nil, fmt.Errorf("the proof has more than %d lines before the checkpoint", maxHashes)
		}
	}
	return nil, nil, errors.New("the proof has no checkpoint")
}

// lengthOf returns the number of bytes of lines.
func lengthOf(lines []string) (n int) {
	for _, line := range lines {
		n += len(line) + 1
	}
	return n
}

func writeHashes(b *bytes.Buffer, hashes []tlog.Hash) {
	for _, h := range hashes {
		b.WriteString(h.String() + "\n")
	}
}

func parseHashes(lines []string) (hashes []tlog.Hash, err error) {
	for _, line := range lines {
		h, err := parseHash(line)
		if err != nil {
			return nil, err
		}
		hashes = append(hashes, h)
	}
	return hashes, nil
}
