package prune

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// A finished bundle never changes, so its unwanted members are removed with the whole
// bundle, after its wanted members were copied to other bundles:
//
//   1. Copy: hash each wanted member and append it to the bundle that is
//         being written.
//   2. Checkpoint: make that bundle durable, or finish and publish it.
//   3. Verify: read the copies back and hash them. Then update the catalog's rows with
//         the new place: readers find the bytes there, or where they were.
//   4. Remove: once all copies are in finished bundles, move the old ones
//         to the trash, and then remove the rows of unwanted members.
//
// Each step can be interrupted. Rows always name places that have the bytes, except those
// of unwanted members during step 4; a run that finds the bundle of such rows gone
// completes that step.

// Bundles is a folder of bundles, and says which of them to rewrite.
type Bundles struct {
	Folder   durable.FS
	Store    Store   // of the folder; nil in a dry run
	MinShare float64 // minimum share of unwanted members in a bundle, 0 to 1
	Discard  bool    // remove bundles instead of moving them to the trash
}

// Store is a [bundled.Store].
type Store interface {
	Copy(ctx context.Context, key crate.Key, from store.Placement) (store.Placement, error)
	store.Reader
	Checkpoint(ctx context.Context) (store.Outcome, error)
	Finish(ctx context.Context) (store.Outcome, error)
	Trash(name string, date time.Time) error
	Discard(name string) error
}

// Rewrite is a bundle to rewrite without its unwanted members.
type Rewrite struct {
	Name string
	Size int64 // 0: it is in the trash already, and an earlier run was interrupted
	Keep int64 // wanted bytes of it
}

// plan returns the bundles to rewrite, ordered by name.
func (cfg *Config) plan(ctx context.Context, unwanted map[string]int64) (list []Rewrite, err error) {
	if cfg.Bundles == nil {
		return nil, nil
	}
	known, err := cfg.Catalog.Bundles(ctx)
	if err != nil {
		return nil, err
	}
	held, err := cfg.Catalog.BundledBytes(ctx)
	if err != nil {
		return nil, err
	}
	for _, b := range known {
		if !b.Whole || b.Thrown() {
			continue
		}
		r := Rewrite{Name: b.Name, Keep: held[b.Name] - unwanted[b.Name]}
		info, err := cfg.Bundles.Folder.Stat(b.Name)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			if r.Keep > 0 {
				continue // it is lost, which verify must be able to find
			}
		case err != nil:
			return nil, err
		default:
			r.Size = info.Size()
			drop := r.Size - r.Keep - bundle.Overhead(b.Entries)
			if drop <= 0 || float64(drop) < cfg.Bundles.MinShare*float64(r.Size) {
				continue
			}
		}
		list = append(list, r)
	}
	return list, nil
}

// rewrite rewrites bundles. A bundle with a wanted member that cannot be read stays as it
// is. If space gets short, the bundles copied by then are removed, and a later run
// continues with the others.
func (cfg *Config) rewrite(ctx context.Context, j *judge, list []Rewrite) error {
	var errs []error
	var copied []string
	for _, r := range list {
		if err := cfg.Bundles.room(&r); err != nil {
			errs = append(errs, err)
			break
		}
		damage, err := cfg.copyWanted(ctx, j, &r)
		if err != nil {
			return err
		}
		if damage != nil {
			errs = append(errs, fmt.Errorf("%s stays as it is: %w: run verify -repair, then prune again", r.Name, damage))
			continue
		}
		copied = append(copied, r.Name)
	}
	done, err := cfg.Bundles.Store.Finish(ctx)
	if err == nil {
		err = cfg.record(ctx, done, nil)
	}
	for _, name := range copied {
		if err == nil {
			err = cfg.throw(ctx, j, name)
		}
	}
	return errors.Join(append(errs, err)...)
}

// reserve is the number of bytes that stay free, for the catalog and other files.
const reserve = 64 << 20

// room returns an error if the wanted members of a bundle do not fit on the disk beside it.
func (b *Bundles) room(r *Rewrite) error {
	if r.Keep == 0 {
		return nil
	}
	if err := durable.CheckFree(b.Folder, "the folder of bundles", r.Keep, 1, reserve); err != nil {
		return fmt.Errorf("writing %s again: empty the trash of the bundles, then prune again: %w", r.Name, err)
	}
	return nil
}

// batchBytes bounds the bytes copied between two checkpoints.
const batchBytes = 64 << 20

// copyWanted copies the wanted members of a bundle to others. A damaged member does not
// stop it: it returns the first such error as damage, after copying all others.
func (cfg *Config) copyWanted(ctx context.Context, j *judge, r *Rewrite) (damage, err error) {
	if r.Size > 0 {
		cfg.Log.Info("writing a bundle again without what is unwanted", "bundle", r.Name, "bytes", r.Size, "wanted", r.Keep)
	}
	var moved []catalog.Version
	var waiting int64
	for v, err := range cfg.Catalog.InBundle(ctx, r.Name) {
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return nil, err
		}
		goes, err := j.goes(ctx, &v)
		if err != nil {
			return nil, err
		}
		if goes {
			continue
		}
		at, err := cfg.Bundles.Store.Copy(ctx, v.Key(), v.Placement)
		if durable.IsBroken(err) || errors.Is(err, bundle.ErrBroken) {
			return nil, fmt.Errorf("copying %s out of %s: %w", v.ID, r.Name, err)
		}
		if err != nil {
			damage = cmp.Or(damage, fmt.Errorf("copying %s: %w", v.ID, err))
			continue
		}
		v.Bundle, v.Offset, v.FrameSize = at.Bundle, at.Offset, at.FrameSize
		moved, waiting = append(moved, v), waiting+v.FrameSize
		if len(moved) < pageSize && waiting < batchBytes {
			continue
		}
		if err := cfg.checkpoint(ctx, moved); err != nil {
			return nil, err
		}
		moved, waiting = moved[:0], 0
	}
	return damage, cfg.checkpoint(ctx, moved)
}

// checkpoint makes the copies durable, verifies them, and records them.
func (cfg *Config) checkpoint(ctx context.Context, moved []catalog.Version) error {
	done, err := cfg.Bundles.Store.Checkpoint(ctx)
	if err != nil {
		return err
	}
	return cfg.record(ctx, done, moved)
}

func (cfg *Config) record(ctx context.Context, done store.Outcome, moved []catalog.Version) error {
	if len(done.Refused) > 0 {
		return fmt.Errorf("copying %s: %w", done.Refused[0].ID, done.Refused[0].Err)
	}
	for i := range moved {
		if err := cfg.Bundles.prove(ctx, &moved[i]); err != nil {
			return fmt.Errorf("reading back the copy of %s in %s: %w", moved[i].ID, moved[i].Bundle, err)
		}
	}
	batch := catalog.Batch{Versions: moved}
	for _, b := range done.Finished {
		batch.Bundles = append(batch.Bundles, catalog.Bundle{Name: b.Name, Whole: true, Entries: b.Entries, Bytes: b.Bytes, Checksum: b.Checksum})
	}
	return cfg.Catalog.Commit(ctx, batch)
}

// prove hashes a copy.
func (b *Bundles) prove(ctx context.Context, v *catalog.Version) error {
	sum, size, err := store.Hash(ctx, b.Store, v.Key(), v.InBundle(), io.Discard)
	if err == nil && sum != v.Checksum {
		err = &crate.ChecksumError{ID: v.ID, Want: v.Checksum, Got: sum, Size: size}
	}
	return err
}

// throw removes a bundle without wanted members, and then their rows.
func (cfg *Config) throw(ctx context.Context, j *judge, name string) error {
	batch := catalog.Batch{Bundles: []catalog.Bundle{{Name: name, Whole: true}}}
	for v, err := range cfg.Catalog.InBundle(ctx, name) {
		if err != nil {
			return err
		}
		goes, err := j.goes(ctx, &v)
		if err == nil && !goes {
			err = fmt.Errorf("%s is kept: %s in it is needed", name, v.ID)
		}
		if err != nil {
			return err
		}
		if rest := v.Placement.WithoutBundle(); !rest.IsZero() {
			v.Placement = rest
			batch.Versions = append(batch.Versions, v)
			continue
		}
		batch.Dropped = append(batch.Dropped, v.Key())
	}
	if err := cfg.Bundles.away(name); err != nil {
		return err
	}
	return cfg.Catalog.Commit(ctx, batch)
}

func (b *Bundles) away(name string) error {
	if b.Discard {
		return b.Store.Discard(name)
	}
	return b.Store.Trash(name, time.Now())
}

// Compact rewrites the bundles in which the catalog's rows use few members, because the
// others are held elsewhere or not at all.
func Compact(ctx context.Context, c Catalog, b *Bundles, log *slog.Logger) (list []Rewrite, err error) {
	cfg := Config{Catalog: c, Bundles: b, Log: log}
	if list, err = cfg.plan(ctx, nil); err != nil || len(list) == 0 {
		return nil, err
	}
	return list, cfg.rewrite(ctx, new(judge), list)
}
