package reader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"syscall"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/recent"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// copies opens and verifies the stored copies of crate files.
type copies struct {
	stores     *home.Stores
	log        *slog.Logger
	quarantine quarantine
	proven     proven
	shelf      *shelf
	hashing    singleflight.Group                          // of large crates, by what is hashed
	told       recent.Map[crate.Checksum, store.Placement] // damage that was logged
	clock      func() time.Time
}

func openCopies(cfg Config) (*copies, error) {
	cfg.Limits.Log = cfg.Log
	stores, err := home.OpenStores(&cfg.Dirs, cfg.Limits)
	if err != nil {
		return nil, err
	}
	return &copies{stores: stores, log: cfg.Log, shelf: newShelf(), clock: time.Now}, nil
}

// badCopy is a copy whose bytes cannot be served.
type badCopy struct {
	at  store.Placement
	err error
}

// open opens the first copy of a version with the correct bytes. bad has the damaged ones
// before it. Errors: *DamagedError if all are damaged; others if one cannot be read for
// another reason.
func (c *copies) open(ctx context.Context, row *catalog.Version) (_ *File, bad []badCopy, err error) {
	var damage, trouble []error
	for _, at := range tried(row) {
		content, err := c.openOne(ctx, row, at)
		moving := at.Loose && at.Republished != row.Republished
		switch {
		case moving && err == nil:
			return &File{content, row.ID, row.Checksum}, nil, nil
		case moving && isDamage(err): // it is not there, or other bytes are
		case err == nil:
			return &File{content, row.ID, row.Checksum}, bad, nil
		case isDamage(err):
			bad, damage = append(bad, badCopy{at, err}), append(damage, err)
		default:
			trouble = append(trouble, err)
		}
	}
	if trouble != nil {
		return nil, bad, fmt.Errorf("opening %s: %w", row.ID, errors.Join(trouble...))
	}
	if damage == nil {
		damage = []error{errors.New("the catalog names no place of it")}
	}
	return nil, bad, &DamagedError{row.ID, errors.Join(damage...)}
}

// isDamage reports whether an error concerns a file, and not the disk, the number of open
// files, or a caller that has left.
func isDamage(err error) bool {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, durable.ErrNotRegular) {
		return true
	}
	if store.IsBusy(err) || errors.Is(err, store.ErrAway) || errors.Is(err, deep.ErrEncoder) {
		return false
	}
	return !isLeaving(err) && !errors.As(err, new(syscall.Errno))
}

// isLeaving reports whether an error means that the caller has left.
func isLeaving(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// tell logs damage, once.
func (c *copies) tell(row *catalog.Version, bad []badCopy) {
	for _, b := range bad {
		if known, ok := c.told.Get(row.Checksum); ok && known == b.at {
			continue
		}
		c.told.Put(row.Checksum, b.at)
		c.log.Error("a crate file is damaged or missing: another copy is served if there is one; clonecratesio verify -repair repairs it",
			"crate", row.Name, "version", row.Version, "place", b.at.String(), "err", b.err)
	}
}

// openOne opens a copy, and hashes it unless that was done recently and its file has not
// changed since.
func (c *copies) openOne(ctx context.Context, row *catalog.Version, at store.Placement) (store.Content, error) {
	if content := c.shelved(ctx, row, at); content != nil {
		return content, nil
	}
	content, err := c.stores.Open(ctx, row.Key(), at)
	if err != nil {
		return nil, err
	}
	good, err := c.prove(ctx, content, row)
	if err != nil {
		return nil, errors.Join(err, content.Close())
	}
	return good, nil
}

func (c *copies) close() error { return c.stores.Close() }
