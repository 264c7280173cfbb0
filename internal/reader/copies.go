package reader

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/bundled"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// copies are the places where crate files lie.
type copies struct {
	out        durable.FS
	loose      *loose.Store
	bundlesOut string
	log        *slog.Logger
	quarantine quarantine
	proven     proven
	hashing    singleflight.Group      // of large crates, by what is hashed
	told       recent[store.Placement] // damage that the log knows of
	clock      func() time.Time

	mu      sync.Mutex        // guards what follows
	bundles *bundled.ReadOnly // nil as long as there is no folder of bundles
	folder  durable.FS        // of the bundles
}

func openCopies(cfg Config) (*copies, error) {
	out, err := durable.Open(cfg.Out)
	if err != nil {
		return nil, err
	}
	return &copies{out: out, loose: loose.OpenReadOnly(out), bundlesOut: cfg.BundlesOut, log: cfg.Log, clock: time.Now}, nil
}

// badCopy is a copy whose bytes cannot be given out.
type badCopy struct {
	at  store.Placement
	err error
}

// open opens the first copy of a version whose bytes are right. Bad are those
// before it that are damaged. Errors: *DamagedError if all are; others if one of
// them cannot be read for another reason.
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

// isDamage tells what is wrong with a file from what is wrong with the disk, the
// number of open files, or a caller who went away.
func isDamage(err error) bool {
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, durable.ErrNotRegular) {
		return true
	}
	return !isLeaving(err) && !errors.As(err, new(syscall.Errno))
}

// isLeaving tells of a caller who went away.
func isLeaving(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// tell puts damage into the log, once.
func (c *copies) tell(row *catalog.Version, bad []badCopy) {
	for _, b := range bad {
		if known, ok := c.told.get(row.Checksum); ok && known == b.at {
			continue
		}
		c.told.put(row.Checksum, b.at)
		c.log.Error("a crate file is damaged or missing: another copy is given out if there is one; clonecratesio verify -repair mends it",
			"crate", row.Name, "version", row.Version, "place", b.at.String(), "err", b.err)
	}
}

// openOne opens a copy, and hashes it unless that was done a short while ago and
// the file that it is in has not changed since.
func (c *copies) openOne(ctx context.Context, row *catalog.Version, at store.Placement) (store.Content, error) {
	content, err := c.reader(ctx, at, row.Key())
	if err != nil {
		return nil, err
	}
	good, err := c.prove(ctx, content, row)
	if err != nil {
		return nil, errors.Join(err, content.Close())
	}
	return good, nil
}

func (c *copies) reader(ctx context.Context, at store.Placement, key crate.Key) (store.Content, error) {
	if at.Bundle == "" {
		return c.loose.Open(ctx, key, at)
	}
	bundles, err := c.openBundles()
	if err != nil {
		return nil, err
	}
	return bundles.Open(ctx, key, at)
}

// openBundles opens the folder of bundles as soon as there is one.
func (c *copies) openBundles() (*bundled.ReadOnly, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bundles != nil {
		return c.bundles, nil
	}
	folder, err := durable.Open(c.bundlesOut)
	if err != nil {
		return nil, fmt.Errorf("opening the bundles: %w", err)
	}
	c.folder, c.bundles = folder, bundled.OpenReadOnly(folder, c.loose)
	return c.bundles, nil
}

func (c *copies) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	errs := []error{c.out.Close()}
	if c.bundles != nil {
		errs = append(errs, c.bundles.Close(), c.folder.Close())
	}
	return errors.Join(errs...)
}
