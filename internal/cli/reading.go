package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/bundled"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// reading is a mirror that is opened for reading: without a lock, while others
// may be writing it.
type reading struct {
	catalog liveCatalog
	store   store.Store
	closers []func() error // the last first
}

func openForReading(ctx context.Context, out, bundles string) (_ *reading, err error) {
	r := new(reading)
	defer func() {
		if err != nil {
			r.close()
		}
	}()
	follower, err := catalog.Follow(ctx, catalogPath(out))
	if err != nil {
		return nil, err
	}
	r.catalog = liveCatalog{follower}
	r.closers = append(r.closers, follower.Close)
	if _, err := r.catalog.Revision(ctx); err != nil {
		return nil, withoutCatalog(err)
	}
	files, done, err := readFiles(out, bundles)
	if err != nil {
		return nil, err
	}
	r.store, r.closers = files, append(r.closers, done)
	return r, nil
}

// withoutCatalog says what to do where there is no catalog.
func withoutCatalog(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("there is no catalog: make it from the files with clonecratesio reindex: %w", err)
	}
	return err
}

// readCatalog calls read with the catalog of a mirror, and once more if somebody
// writes it meanwhile: the last time counts. It reports whether there is one.
func readCatalog(ctx context.Context, out string, read func(*catalog.Catalog) error) (found bool, err error) {
	f, err := catalog.Follow(ctx, catalogPath(out))
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = f.Read(ctx, func(c *catalog.Catalog) error {
		found = true
		return read(c)
	})
	if !found && errors.Is(err, fs.ErrNotExist) {
		err = nil
	}
	return found, err
}

// readFiles opens the loose files and the bundles, if there are any, for
// reading.
func readFiles(out, bundles string) (_ store.Store, done func() error, err error) {
	folder, err := durable.Open(out)
	if err != nil {
		return nil, nil, err
	}
	files := loose.OpenReadOnly(folder)
	there, err := openIfThere(bundles)
	if err != nil {
		return nil, nil, errors.Join(err, folder.Close())
	}
	if there == nil {
		return files, folder.Close, nil
	}
	s := bundled.OpenReadOnly(there, files)
	return s, func() error { return errors.Join(s.Close(), there.Close(), folder.Close()) }, nil
}

func (r *reading) close() error {
	var errs []error
	for i := len(r.closers) - 1; i >= 0; i-- {
		errs = append(errs, r.closers[i]())
	}
	return errors.Join(errs...)
}

// liveCatalog answers from the catalog as it is at each question.
type liveCatalog struct{ *catalog.Follower }

func (l liveCatalog) Versions(ctx context.Context, name string) ([]catalog.Version, error) {
	return ask(ctx, l, func(c *catalog.Catalog) ([]catalog.Version, error) { return c.Versions(ctx, name) })
}

func (l liveCatalog) BytesOf(ctx context.Context, id crate.ID) ([]catalog.Version, error) {
	return ask(ctx, l, func(c *catalog.Catalog) ([]catalog.Version, error) { return c.BytesOf(ctx, id) })
}

func (l liveCatalog) Page(ctx context.Context, after crate.ID, limit int) ([]catalog.Version, error) {
	return ask(ctx, l, func(c *catalog.Catalog) ([]catalog.Version, error) { return c.Page(ctx, after, limit) })
}

func (l liveCatalog) Revision(ctx context.Context) (catalog.Revision, error) {
	return ask(ctx, l, func(c *catalog.Catalog) (catalog.Revision, error) { return c.Revision(ctx) })
}

func (l liveCatalog) Totals(ctx context.Context) (catalog.Totals, error) {
	return ask(ctx, l, func(c *catalog.Catalog) (catalog.Totals, error) { return c.Totals(ctx) })
}

func (l liveCatalog) Bundles(ctx context.Context) ([]catalog.Bundle, error) {
	return ask(ctx, l, func(c *catalog.Catalog) ([]catalog.Bundle, error) { return c.Bundles(ctx) })
}

func ask[Answer any](ctx context.Context, l liveCatalog, question func(*catalog.Catalog) (Answer, error)) (answer Answer, err error) {
	err = l.Read(ctx, func(c *catalog.Catalog) (err error) {
		answer, err = question(c)
		return err
	})
	return answer, err
}
