// Package crate identifies crates: a version of a crate, its checksum, and the paths under
// which files of either are found. It imports no other package of ours, and all others may
// import it.
//
// # Grammar
//
// A name has 1 to 100 characters of [A-Za-z0-9_-] and does not start with "-". crates.io is
// stricter today (64 characters, the first a letter), but once accepted such names, and
// other registries have longer ones: cargo sets no limit. A version is a semantic version
// 2.0 without leading "v", at most 150 bytes. The file name of both is at most 221 bytes.
// Nothing that passes [ID.Check] contains a slash, a backslash, a space, a control
// character or a lone dot, so it can be part of a path on every system.
//
// # Identity
//
// The key of a crate file is the name, case included, and the full version string, build
// metadata included: the real index has 797 pairs of versions that differ only in build
// metadata and have different bytes.
//
// # Paths
//
//   - [IndexPath]: where cargo's index keeps the lines of a crate (from the
//     lower-cased name; cargo book, Registry Index, "Index files").
//   - [ID.LoosePath]: where a mirror of ours keeps the file (the "shard"
//     layout of CloneCratesio v1.1.0; case kept).
//   - [ID.RepublishedPath]: where it keeps other bytes that the version had
//     before.
//   - [ID.URLPath]: what is asked of static.crates.io; [URLTemplate]: of other registries.
package crate

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"sync"

	"golang.org/x/mod/semver"
)

// Limits of the grammar, in bytes. File systems allow names of 255 bytes, which leaves room
// for the manifest of a bundle, whose name contains two crate names, and for the suffix of
// a crate file in quarantine.
const (
	MaxName     = 100 // crates.io allows 64
	MaxVersion  = 150 // the longest of 1.7 million real versions has 76
	maxFileName = 221
)

// ID identifies one published version of a crate. Two IDs identify the same crate file
// exactly when they are equal.
type ID struct {
	Name    string `json:"name"`    // as published, case kept
	Version string `json:"version"` // full semantic version with build metadata
}

// String returns "name version", the way cargo writes a package id.
func (id ID) String() string { return id.Name + " " + id.Version }

// Check returns why id cannot name a crate file, or nil.
func (id ID) Check() error {
	if err := CheckName(id.Name); err != nil {
		return err
	}
	if err := CheckVersion(id.Version); err != nil {
		return err
	}
	if n := len(id.FileName()); n > maxFileName {
		return fmt.Errorf("the file name of %s has %d bytes, want at most %d", id, n, maxFileName)
	}
	return nil
}

// CheckName returns why name is not a crate name, or nil.
func CheckName(name string) error {
	if name == "" || len(name) > MaxName {
		return fmt.Errorf("crate name %s has %d bytes, want 1 to %d", quote(name), len(name), MaxName)
	}
	if name[0] == '-' {
		return fmt.Errorf("crate name %q starts with '-'", name)
	}
	for i := range len(name) {
		if !isAlnum(name[i]) && name[i] != '-' && name[i] != '_' {
			return fmt.Errorf("crate name %q has a character outside [A-Za-z0-9_-]", name)
		}
	}
	return nil
}

// CheckVersion returns why version is not a semantic version that cargo accepts, or nil.
func CheckVersion(version string) error {
	if len(version) > MaxVersion {
		return fmt.Errorf("version %s has %d bytes, want at most %d", quote(version), len(version), MaxVersion)
	}
	v := "v" + version
	// semver.Canonical completes "v1.2" and drops build metadata; comparing with it makes
	// the check strict.
	if !semver.IsValid(v) || semver.Canonical(v)+semver.Build(v) != v {
		return fmt.Errorf("version %q is not a semantic version", version)
	}
	return nil
}

// quote shortens and quotes hostile text, so that it is safe for a terminal.
func quote(s string) string {
	const most = 80
	if len(s) > most {
		return fmt.Sprintf("%q...", s[:most])
	}
	return fmt.Sprintf("%q", s)
}

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

// Checksum is the SHA-256 of a crate file, the "cksum" of the index.
type Checksum [sha256.Size]byte

// Hash reads r to its end and returns its checksum and size in bytes.
func Hash(r io.Reader) (sum Checksum, size int64, err error) {
	h, buf := sha256.New(), buffers.Get().(*[32 << 10]byte)
	defer buffers.Put(buf)
	// Hide r's methods other than Read: WriteTo would copy through another buffer.
	if size, err = io.CopyBuffer(h, struct{ io.Reader }{r}, buf[:]); err != nil {
		return Checksum{}, size, err
	}
	return Checksum(h.Sum(nil)), size, nil
}

// buffers holds the buffers of Hash. Most crates are smaller than one, and clearing a new
// buffer for each took a quarter of the time of hashing a folder of them.
var buffers = sync.Pool{New: func() any { return new([32 << 10]byte) }}

// ParseChecksum parses 64 hexadecimal digits of either case.
func ParseChecksum(s string) (Checksum, error) {
	var sum Checksum
	if len(s) != hex.EncodedLen(len(sum)) {
		return sum, fmt.Errorf("checksum %s has %d characters, want 64 hexadecimal digits", quote(s), len(s))
	}
	if _, err := hex.Decode(sum[:], []byte(s)); err != nil {
		return sum, fmt.Errorf("checksum %q is not hexadecimal", s)
	}
	return sum, nil
}

// String returns the checksum as 64 lower-case hexadecimal digits.
func (s Checksum) String() string { return hex.EncodeToString(s[:]) }

// MarshalBinary implements [encoding.BinaryMarshaler]. Without it, gob would encode each
// byte separately.
func (s Checksum) MarshalBinary() ([]byte, error) { return s[:], nil }

// UnmarshalBinary implements [encoding.BinaryUnmarshaler].
func (s *Checksum) UnmarshalBinary(b []byte) error {
	if len(b) != len(s) {
		return fmt.Errorf("checksum has %d bytes, want %d", len(b), len(s))
	}
	copy(s[:], b)
	return nil
}

// MarshalText implements [encoding.TextMarshaler].
func (s Checksum) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler].
func (s *Checksum) UnmarshalText(text []byte) (err error) {
	*s, err = ParseChecksum(string(text))
	return err
}

// Key identifies bytes. A version alone does not: on crates.io an owner can delete one and
// publish it again, and the index of a day says which bytes it had then.
type Key struct {
	ID
	Checksum Checksum
}

// A ChecksumError says that bytes do not have the checksum that the index names.
type ChecksumError struct {
	ID        ID
	Want, Got Checksum
	Size      int64 // of the hashed bytes
}

func (e *ChecksumError) Error() string {
	return fmt.Sprintf("%s: sha256 of the %d bytes is %s, the index says %s", e.ID, e.Size, e.Got, e.Want)
}

// FoldKey returns a form of the file name that is equal for two crate files that collide on
// a file system that ignores case (Windows, macOS by default).
func (id ID) FoldKey() string { return strings.ToLower(id.FileName()) }

// IsPrerelease reports whether a version that passed [CheckVersion] is a pre-release, such
// as 1.0.0-rc.1.
func IsPrerelease(version string) bool { return semver.Prerelease("v"+version) != "" }
