package attest

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/statement"
)

// Sentences checks a proof and says in sentences what it proves. It also compares the crate
// file and the run log with the proof, if their names are not empty.
func Sentences(data []byte, verify statement.Verify, crateFile, manifest string) (string, error) {
	if crateFile != "" && !statement.IsInclusion(data) {
		return "", errors.New("-crate needs the proof of a version, which this file is not")
	}
	p, err := Check(data, verify)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	switch {
	case p.Since != nil:
		fmt.Fprintf(&out, "proved: the %s that %s stated by %s are the first of the %d of %s: history was only appended to\n",
			Leaves(p.Since.N), p.Since.Origin, p.Since.At.Format(time.RFC3339), p.N, p.At.Format(time.RFC3339))
	case p.Version != crate.Key{}:
		fmt.Fprintf(&out, "proved: %s with sha256 %s is in what %s stated to hold, verified and durable, by %s\n",
			p.Version.ID, p.Version.Checksum, p.Origin, p.At.Format(time.RFC3339))
	}
	if crateFile != "" {
		if err := CheckCrate(crateFile, p.Version); err != nil {
			return "", err
		}
		fmt.Fprintf(&out, "%s is that crate file, byte for byte\n", crateFile)
	}
	fmt.Fprintf(&out, "%s states: %s\n", p.Origin, p.Sentence())
	if manifest == "" {
		return out.String(), nil
	}
	lines, err := CheckManifest(manifest, p.Manifest)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&out, "%s is covered by the statement up to line %d, and unchanged\n", manifest, lines)
	return out.String(), nil
}

// Leaves formats a number of leaves.
func Leaves(n int64) string {
	if n == 1 {
		return "1 leaf"
	}
	return human.Count(n) + " leaves"
}
