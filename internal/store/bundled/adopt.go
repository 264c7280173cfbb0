package bundled

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Adopt records in a catalog the members of finished bundles that it may not know, for
// readers of the folder. It changes nothing there, and skips unfinished bundles, which may
// belong to another process.
func Adopt(ctx context.Context, folder durable.Reader, catalog Catalog, log *slog.Logger) error {
	a := adoption{folder, catalog, log}
	known := catalog.Bundles()
	entries, err := folder.ReadDir(".")
	if err != nil {
		return fmt.Errorf("looking for bundles: %w", err)
	}
	for _, e := range entries {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		named, err := bundle.ParseFileName(e.Name())
		if err != nil || known[e.Name()] || durable.IsUnchanging(e) {
			continue
		}
		sum, members, _, err := a.read(e.Name())
		if err != nil {
			log.Error("a bundle cannot be read: its crates do not count as held", "bundle", e.Name(), "err", err)
			continue
		}
		if len(members) == 0 {
			continue
		}
		if err := a.adoptAll(ctx, named, sum, members); err != nil {
			return fmt.Errorf("adopting %s: %w", e.Name(), err)
		}
	}
	return nil
}

// adoption records in a catalog what bundles hold.
type adoption struct {
	folder  durable.Reader
	catalog Catalog
	log     *slog.Logger
}

// batch is the maximum number of members that are adopted at a time.
const batch = 4096

// adopt records members of a bundle.
func (a *adoption) adopt(ctx context.Context, name string, members iter.Seq[bundle.Member]) error {
	var some []bundle.Member
	for m := range members {
		if some = append(some, m); len(some) == batch {
			if err := a.catalog.Adopt(ctx, name, some); err != nil {
				return err
			}
			some = some[:0]
		}
	}
	if len(some) == 0 {
		return nil
	}
	return a.catalog.Adopt(ctx, name, some)
}

// adoptAll records all members of a finished bundle.
func (a *adoption) adoptAll(ctx context.Context, named bundle.Name, sum bundle.Summary, members []bundle.Member) error {
	if err := a.adopt(ctx, named.String(), slices.Values(members)); err != nil {
		return err
	}
	return a.catalog.Adopted(ctx, finished(named, sum))
}

// read reads a whole finished bundle and returns its complete members and their summary;
// sound means that there was nothing else. It returns no members if the bundle is left
// alone.
func (a *adoption) read(name string) (sum bundle.Summary, members []bundle.Member, sound bool, err error) {
	f, err := a.folder.Open(name)
	if err != nil {
		return sum, nil, false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return sum, nil, false, err
	}
	r, err := bundle.Open(f, info.Size())
	switch {
	case errors.Is(err, bundle.ErrStream):
		return sum, nil, false, nil // made by v1.1.0: a run with an index copies its crates
	case errors.Is(err, bundle.ErrFormat):
		a.log.Warn("not a bundle: left alone", "bundle", name)
		return sum, nil, false, nil
	case err != nil:
		return sum, nil, false, err
	}
	a.log.Info("reading a bundle that the catalog does not know", "bundle", name, "bytes", info.Size())
	sound = true
	for m, err := range r.Members() {
		if errors.Is(err, bundle.ErrTable) {
			a.log.Warn("bundle is slower to read than it should be", "bundle", name, "err", err)
			continue
		}
		if err != nil {
			sound = false
			a.log.Error("bundle is damaged: its complete members count, the others are downloaded again", "bundle", name, "err", err)
			continue
		}
		members = append(members, m)
		sum.Size += m.Size
	}
	if len(members) == 0 {
		a.log.Warn("bundle holds no crates: left alone", "bundle", name)
		return sum, nil, sound, nil
	}
	byName := func(a, b bundle.Member) int { return cmp.Compare(a.ID.Name, b.ID.Name) }
	sum.Members, sum.Min, sum.Max = len(members), slices.MinFunc(members, byName).ID.Name, slices.MaxFunc(members, byName).ID.Name
	sum.Checksum, sum.FileSize, err = crate.Hash(io.NewSectionReader(f, 0, info.Size()))
	return sum, members, sound, err
}
