package attest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/statement"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/tilelog"
)

// Prove returns a proof that the last checkpoint of a log covers a version, from the folder
// of the log alone. It reads every line of the log, which takes seconds for 1.7 million. If
// sum is nil, it proves the last leaf of the version; others are the checksums of its other
// leaves. Errors: fs.ErrNotExist if there is no such leaf; tilelog.ErrDamaged.
func Prove(ctx context.Context, folder durable.Reader, id crate.ID, sum *crate.Checksum) (p *statement.Inclusion, others []crate.Checksum, err error) {
	l, err := tilelog.Open(folder)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the log: %w", err)
	}
	n := int64(0)
	for key, err := range l.Leaves(ctx, 0, l.N) {
		if err != nil {
			return nil, nil, fmt.Errorf("looking for %s in the log: %w", id, err)
		}
		if key.ID == id && (sum == nil || key.Checksum == *sum) {
			if p != nil && p.Key != key {
				others = append(others, p.Key.Checksum)
			}
			p = &statement.Inclusion{Key: key, Index: n, Checkpoint: l.Checkpoint}
		}
		n++
	}
	if p == nil {
		return nil, nil, fmt.Errorf("the log has no leaf of %s: %w", id, fs.ErrNotExist)
	}
	if p.Path, err = tlog.ProveRecord(l.N, p.Index, l.Hashes()); err != nil {
		return nil, nil, fmt.Errorf("proving %s: %w", id, err)
	}
	_, err = p.Check(unsigned)
	return p, others, err
}

// unsigned is the Verify of those who make proofs: the receiver of a proof checks its
// signatures.
func unsigned([]byte) error { return nil }

// ErrNotContinued says that a log does not continue the log of an earlier checkpoint.
var ErrNotContinued = errors.New("the log does not continue that of the earlier checkpoint")

// ProveSince returns a proof that the log was only appended to since an earlier checkpoint.
// Errors: ErrNotContinued; tilelog.ErrDamaged.
func ProveSince(folder durable.Reader, old []byte) (*statement.Consistency, error) {
	earlier, err := statement.Peek(old)
	if err != nil {
		return nil, fmt.Errorf("reading the earlier checkpoint: %w", err)
	}
	l, err := tilelog.Open(folder)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	p := &statement.Consistency{Old: old, Later: l.Checkpoint}
	if earlier.N < l.N {
		if p.Path, err = tlog.ProveTree(l.N, earlier.N, l.Hashes()); err != nil {
			return nil, fmt.Errorf("proving consistency: %w", err)
		}
	}
	if _, _, err := p.Check(unsigned); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotContinued, err)
	}
	return p, nil
}
