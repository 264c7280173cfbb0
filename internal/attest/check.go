package attest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/statement"
)

// CheckCrate compares a file with the leaf of a crate file. Errors: *fs.PathError if
// it cannot be read.
func CheckCrate(file string, key crate.Key) error {
	if id, err := crate.ParseFileName(filepath.Base(file)); err == nil && id != key.ID {
		return fmt.Errorf("%s is called as the crate file of %s, the proof is about %s", file, id, key.ID)
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := crate.Checksum(h.Sum(nil)); got != key.Checksum {
		return fmt.Errorf("%s has sha256 %s, the proof is about %s with sha256 %s", file, got, key.ID, key.Checksum)
	}
	return nil
}

// CheckManifest compares an audit log with what a statement covers, and returns up to
// which line it does. Errors: *fs.PathError if it cannot be read.
func CheckManifest(file string, want statement.Manifest) (lines int64, err error) {
	if want == (statement.Manifest{}) {
		return 0, errors.New("the statement covers no manifest")
	}
	f, err := os.Open(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	lines, err = runlog.CheckUpTo(f, want.Size, want.Chain)
	if err != nil && !errors.As(err, new(*fs.PathError)) {
		err = fmt.Errorf("%s: %w", file, err)
	}
	return lines, err
}
