package attest

import (
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

// Proved is what a file proves.
type Proved struct {
	*statement.Statement                      // the last statement in the file
	Version              crate.Key            // the version that the statement covers, if the file proves one
	Since                *statement.Statement // the earlier statement, if the file proves that the log was only appended to since
}

// Check verifies a file: the proof of a version, the proof that a log was only appended to,
// or a checkpoint.
func Check(data []byte, verify statement.Verify) (p Proved, err error) {
	switch {
	case statement.IsInclusion(data):
		return checkInclusion(data, verify)
	case statement.IsConsistency(data):
		proof, err := statement.ParseConsistency(data)
		if err != nil {
			return p, err
		}
		p.Since, p.Statement, err = proof.Check(verify)
		return p, err
	}
	p.Statement, err = statement.Open(data, verify)
	return p, err
}

func checkInclusion(data []byte, verify statement.Verify) (p Proved, err error) {
	proof, err := statement.ParseInclusion(data)
	if err != nil {
		return p, err
	}
	p.Version = proof.Key
	p.Statement, err = proof.Check(verify)
	return p, err
}

// ReadFile reads a proof or checkpoint from a file named by the user, of at most limit
// bytes.
func ReadFile(name string, limit int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err == nil && int64(len(data)) > limit {
		err = fmt.Errorf("%s has more than %d bytes: it is no proof and no checkpoint", name, limit)
	}
	return data, err
}

// CheckCrate compares a crate file with its leaf. Errors: *fs.PathError if it cannot be
// read.
func CheckCrate(file string, key crate.Key) error {
	if id, err := crate.ParseFileName(filepath.Base(file)); err == nil && id != key.ID {
		return fmt.Errorf("%s is called as the crate file of %s, the proof is about %s", file, id, key.ID)
	}
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	got, _, err := crate.Hash(f)
	if err != nil {
		return err
	}
	if got != key.Checksum {
		return fmt.Errorf("%s has sha256 %s, the proof is about %s with sha256 %s", file, got, key.ID, key.Checksum)
	}
	return nil
}

// CheckManifest compares a run log with what a statement covers, and returns the number of
// lines that the statement covers. Errors: *fs.PathError if it cannot be read.
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
