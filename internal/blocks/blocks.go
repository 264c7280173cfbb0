// Package blocks keeps the list of versions that the operator of a mirror has blocked by
// hand. Within a second, servers of the mirror stop serving them, whatever the policy says.
// Stored files are kept.
//
// # The file
//
// The list is blocks.json in the state folder of a mirror, or an object of that name in its
// bucket. Format 1:
//
//	{
//		"format": 1,
//		"blocks": [
//			{"crate": "serde", "version": "1.0.219", "reason": "RUSTSEC-2026-0001",
//			 "by": "alice@build1", "since": "2026-08-20T10:52:00Z"}
//		]
//	}
//
// A block names a crate with all its versions, one version ("version"), the versions that
// match a requirement ("versions"), or a crate file by its SHA-256 ("checksum"). Names are
// compared as on crates.io: case is ignored, and "_" equals "-". A file with an unknown
// field is rejected, because the field might block more than we understand.
//
// carried/blocks.json, below the state folder, lists what the sending side of an air gap
// had blocked when it made the last transfer that was imported (package transfer/receive).
// Servers apply both lists.
//
// A file has at most [MaxBlocks] blocks and [maxSize] bytes.
package blocks

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// Name is the name of the file, and of the object.
const Name = "blocks.json"

// Limits of a file. A longer deny list belongs in a policy.
const (
	MaxBlocks = 10_000
	maxSize   = 8 << 20 // bytes
	maxText   = 1000    // bytes of a reason, and of By
)

const format = 1

// A Block hides the versions that meet all its conditions.
type Block struct {
	Crate    string          `json:"crate,omitzero"`
	Version  string          `json:"version,omitzero"`  // one version, build metadata included
	Versions string          `json:"versions,omitzero"` // a requirement, as in Cargo.toml
	Checksum *crate.Checksum `json:"checksum,omitzero"`

	Reason string    `json:"reason"`
	By     string    `json:"by"` // user and host
	Since  time.Time `json:"since"`

	req semver.Req // parsed Versions
}

// Parse parses what a user writes: NAME, NAME@VERSION, NAME@REQUIREMENT, or the SHA-256 of
// a crate file.
func Parse(s string) (Block, error) {
	var b Block
	digits := strings.TrimPrefix(s, "sha256:")
	if sum, err := crate.ParseChecksum(digits); err == nil {
		b.Checksum = &sum
		return b, nil
	}
	name, which, versioned := strings.Cut(s, "@")
	b.Crate = name
	if _, err := semver.Parse(which); versioned && err == nil {
		b.Version = which
	} else if versioned {
		b.Versions = which
	}
	if err := b.check(); err != nil {
		return Block{}, fmt.Errorf("%.80q is none of NAME, NAME@VERSION, NAME@REQUIREMENT and a SHA-256: %w", s, err)
	}
	if versioned && which == "" {
		return Block{}, fmt.Errorf("%.80q has no version after the @: write %s alone for all of them", s, name)
	}
	return b, nil
}

// check rejects blocks that can match nothing, and prepares the rest for matching.
func (b *Block) check() (err error) {
	switch {
	case b.Crate == "" && b.Checksum == nil:
		return errors.New("it names neither a crate nor a checksum")
	case b.Crate == "" && b.Version+b.Versions != "", b.Version != "" && b.Versions != "":
		return errors.New("it has a version without a crate, or two of them")
	case len(b.Reason) > maxText || len(b.By) > maxText:
		return fmt.Errorf("its text has more than %d bytes", maxText)
	}
	if b.Crate != "" {
		err = crate.CheckName(b.Crate)
	}
	if err == nil && b.Version != "" {
		err = crate.CheckVersion(b.Version)
	}
	if err == nil && b.Versions != "" {
		b.req, err = semver.ParseReq(b.Versions)
	}
	return err
}

// String returns the form that Parse reads.
func (b *Block) String() string {
	if b.Checksum != nil && b.Crate == "" {
		return "sha256:" + b.Checksum.String()
	}
	if which := cmp.Or(b.Version, b.Versions); which != "" {
		return b.Crate + "@" + which
	}
	return b.Crate
}

// same reports whether two blocks name the same versions.
func (b *Block) same(other *Block) bool {
	return fold(b.Crate) == fold(other.Crate) && b.Version == other.Version && b.Versions == other.Versions &&
		(b.Checksum == nil) == (other.Checksum == nil) && (b.Checksum == nil || *b.Checksum == *other.Checksum)
}

// hides reports whether b, which names the version's crate, hides the version. A version
// that is not valid SemVer cannot be compared with a requirement, and is hidden.
func (b *Block) hides(key *crate.Key) bool {
	switch {
	case b.Checksum != nil && *b.Checksum != key.Checksum:
		return false
	case b.Version != "":
		return b.Version == key.Version
	case b.Versions != "":
		v, err := semver.Parse(key.Version)
		return err != nil || b.req.Includes(v)
	}
	return true
}

// fold maps names that crates.io considers equal to one form.
func fold(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

// A List holds the blocks of a mirror. It is immutable; the zero List is empty.
type List struct {
	Blocks []Block // in the order in which they were added

	byName map[string][]*Block // by folded name
	bySum  map[crate.Checksum]*Block
}

// newList prepares blocks for Find.
func newList(blocks []Block) (*List, error) {
	if len(blocks) > MaxBlocks {
		return nil, fmt.Errorf("it has %d blocks, at most %d are to be: the deny list of a policy is the place for more", len(blocks), MaxBlocks)
	}
	l := &List{Blocks: blocks, byName: map[string][]*Block{}, bySum: map[crate.Checksum]*Block{}}
	for i := range blocks {
		b := &blocks[i]
		if err := b.check(); err != nil {
			return nil, fmt.Errorf("block %d, of %.80q: %w", i+1, b.String(), err)
		}
		if b.Crate == "" {
			l.bySum[*b.Checksum] = b
		} else {
			l.byName[fold(b.Crate)] = append(l.byName[fold(b.Crate)], b)
		}
	}
	return l, nil
}

// Find returns the first block that hides a version, or nil. A nil List has no blocks.
func (l *List) Find(key *crate.Key) *Block {
	if l == nil || len(l.Blocks) == 0 {
		return nil
	}
	if b := l.bySum[key.Checksum]; b != nil {
		return b
	}
	for _, b := range l.byName[fold(key.Name)] {
		if b.hides(key) {
			return b
		}
	}
	return nil
}

// With returns a copy of l with b, which replaces a block of the same versions.
func (l *List) With(b Block) (*List, error) {
	without, _ := l.Without(b)
	return newList(append(without.Blocks, b))
}

// Without returns a copy of l without the block of the same versions as b; false: l has
// none.
func (l *List) Without(b Block) (*List, bool) {
	rest := make([]Block, 0, len(l.Blocks)+1)
	for i := range l.Blocks {
		if !l.Blocks[i].same(&b) {
			rest = append(rest, l.Blocks[i])
		}
	}
	less, err := newList(rest)
	if err != nil {
		return l, false // cannot fail: newList accepted these blocks before
	}
	return less, len(rest) < len(l.Blocks)
}

type file struct {
	Format int     `json:"format"`
	Blocks []Block `json:"blocks"`
}

// Read parses a file.
func Read(data []byte) (*List, error) {
	var f file
	err := json.Unmarshal(data, &f, json.RejectUnknownMembers(true))
	if err == nil && f.Format != format {
		err = fmt.Errorf("it has format %d, want %d", f.Format, format)
	}
	var l *List
	if err == nil {
		l, err = newList(f.Blocks)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", Name, err)
	}
	return l, nil
}

// Bytes returns the file of l.
func (l *List) Bytes() ([]byte, error) {
	data, err := json.Marshal(file{format, append([]Block{}, l.Blocks...)}, jsontext.WithIndent("\t"))
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", Name, err)
	}
	if len(data) >= maxSize {
		return nil, fmt.Errorf("writing %s: it would have more than %d MiB", Name, maxSize>>20)
	}
	return append(bytes.TrimSpace(data), '\n'), nil
}
