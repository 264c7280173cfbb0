package lists

import (
	"cmp"
	"fmt"
	"io"
	"iter"
	"math"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/jsonl"
)

// ManifestEntry is a line of the manifest of a bundle:
//
//	url            where the crate came from
//	crate          its name
//	version        its version; v1.1.0 has none
//	bundle_path    file name of the bundle; v1.1.0 writes a path from where it was started
//	bundle_member  path in the bundle
//	size           of the crate, in bytes
//	sha256         of the crate's bytes, hexadecimal
//	offset         of its frame in the bundle; v1.1.0 has none
//	frame_size     of its frame, in bytes; v1.1.0 has none
type ManifestEntry struct {
	bundle.Member // its Placement is zero in manifests of v1.1.0
	Bundle        bundle.Name
	URL           string // as written: not validated
}

type manifestLine struct {
	URL       string `json:"url"`
	Crate     string `json:"crate"`
	Version   string `json:"version,omitzero"`
	Bundle    string `json:"bundle_path"`
	Member    string `json:"bundle_member"`
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"`
	Offset    int64  `json:"offset"`
	FrameSize int64  `json:"frame_size"`
}

// AppendManifestLine appends the line of an entry.
func AppendManifestLine(dst []byte, e ManifestEntry) ([]byte, error) {
	return appendLine(dst, manifestLine{
		URL: e.URL, Crate: e.ID.Name, Version: e.ID.Version,
		Bundle: e.Bundle.String(), Member: e.ID.LoosePath(),
		Size: e.Size, SHA256: e.Checksum.String(),
		Offset: e.Offset, FrameSize: e.FrameSize,
	})
}

// ReadManifest yields the entries of the manifest of a bundle, ours or v1.1.0's. An
// unusable line yields a *jsonl.LineError instead of an entry, and the next line follows. A
// read error ends the sequence. If a member occurs twice, with different bytes, the later
// line is the later member. Memory use does not depend on the size of the manifest.
func ReadManifest(r io.Reader) iter.Seq2[ManifestEntry, error] {
	return jsonl.Read(r, MaxLine, decode(checkManifestLine))
}

func checkManifestLine(l manifestLine) (e ManifestEntry, err error) {
	e.URL = l.URL
	if e.ID, err = crate.ParseLoosePath(l.Member); err != nil {
		return e, fmt.Errorf("bundle_member %.80q: %w", l.Member, err)
	}
	if l.Crate != e.ID.Name || l.Version != "" && l.Version != e.ID.Version {
		return e, fmt.Errorf("crate %.80q version %.80q is not %s", l.Crate, l.Version, e.ID)
	}
	if e.Bundle, err = parseBundlePath(l.Bundle); err != nil {
		return e, fmt.Errorf("bundle_path: %w", err)
	}
	if e.Checksum, err = crate.ParseChecksum(l.SHA256); err != nil {
		return e, fmt.Errorf("sha256: %w", err)
	}
	e.Size, e.Placement = l.Size, bundle.Placement{Offset: l.Offset, FrameSize: l.FrameSize}
	return e, cmp.Or(
		inRange("size", l.Size, bundle.MaxSize),
		inRange("frame_size", l.FrameSize, bundle.MaxFrameSize),
		inRange("offset", l.Offset, math.MaxInt64-bundle.MaxFrameSize),
	)
}
