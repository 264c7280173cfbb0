package statement

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// MaxLeaf bounds the line of a leaf, in bytes.
const MaxLeaf = crate.MaxName + crate.MaxVersion + 64 + len("  \n")

// Line returns the line of the leaf of a crate file.
func Line(key crate.Key) string {
	return key.Name + " " + key.Version + " " + key.Checksum.String() + "\n"
}

// ParseLine parses the line of a leaf.
func ParseLine(line string) (crate.Key, error) {
	if len(line) > MaxLeaf {
		return crate.Key{}, fmt.Errorf("leaf of %d bytes, want at most %d", len(line), MaxLeaf)
	}
	name, rest, _ := strings.Cut(line, " ")
	version, sum, _ := strings.Cut(rest, " ")
	key := crate.Key{ID: crate.ID{Name: name, Version: version}}
	err := key.Check()
	if err == nil {
		key.Checksum, err = crate.ParseChecksum(strings.TrimSuffix(sum, "\n"))
	}
	if err == nil && Line(key) != line {
		err = errors.New(`want "{name} {version} {sha256}" in lower case, and a newline`)
	}
	if err != nil {
		return crate.Key{}, fmt.Errorf("leaf %.80q: %w", line, err)
	}
	return key, nil
}

// LeafHash returns the hash of a leaf.
func LeafHash(key crate.Key) tlog.Hash { return tlog.RecordHash([]byte(Line(key))) }
