package packed

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Catalog records what segments hold that it may not know: when it was lost, or the
// segments were carried here.
type Catalog interface {
	// Known reports whether every crate of a finished segment has a row. For an unfinished
	// one, it reports whether any ever had, unless adopting it was interrupted: its writer
	// records its packs.
	Known(name string, finished bool) bool
	// Adopting is called before the first crate of a segment.
	Adopting(ctx context.Context, segment string) error
	// Adopt receives crates that were rebuilt and hashed. Whether their checksums are the
	// right ones is not known yet. The crates are durably recorded when Adopt returns.
	Adopt(ctx context.Context, found []Found) error
	// Adopted says that all crates of a segment were recorded; for an unfinished segment,
	// only the name is set.
	Adopted(ctx context.Context, segment store.Bundle, finished bool) error
}

// Found is a crate that can be rebuilt.
type Found struct {
	crate.Key
	Size int64
	At   store.DeepPlace
}

// Adopt records in a catalog the content of segments that it does not know, including the
// unfinished one, which may have the only copies, too. If a crate has two places, the later
// one counts. Each pack is decoded, and the tar of each crate hashed. That a crate can be
// made from its tar was verified before it was removed elsewhere, and is verified at each
// read. A damaged pack costs its crates, which are downloaded again.
func Adopt(ctx context.Context, folder durable.Reader, catalog Catalog, log *slog.Logger) error {
	entries, err := folder.ReadDir(".")
	if err != nil {
		return fmt.Errorf("looking for segments: %w", err)
	}
	for _, e := range entries {
		name, unfinished := strings.CutSuffix(e.Name(), deep.PartExt)
		if _, err := deep.ParseFileName(name); err != nil || catalog.Known(name, !unfinished) {
			continue
		}
		if err := adopt(ctx, folder, e.Name(), catalog, log); err != nil {
			return fmt.Errorf("adopting %s: %w", e.Name(), err)
		}
	}
	return nil
}

func adopt(ctx context.Context, folder durable.Reader, file string, catalog Catalog, log *slog.Logger) error {
	name, unfinished := strings.CutSuffix(file, deep.PartExt)
	f, err := folder.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || unfinished && info.Size() == 0 {
		return err
	}
	r, err := deep.Open(name, f, info.Size())
	if err != nil {
		log.Error("a segment cannot be read: its crates do not count as held", "segment", name, "err", err)
		return nil
	}
	log.Info("reading a segment that the catalog does not know", "segment", name, "bytes", info.Size())
	if err := catalog.Adopting(ctx, name); err != nil {
		return err
	}
	whole := store.Bundle{Name: name}
	for d, err := range r.Directories() {
		if unfinished && errors.Is(err, deep.ErrUnfinished) {
			return catalog.Adopted(ctx, store.Bundle{Name: name}, false)
		}
		if err != nil {
			log.Error("a segment is damaged: its readable part counts, the rest is downloaded again", "segment", name, "err", err)
			continue
		}
		found, err := goodOf(ctx, r, d, name, log)
		if err != nil {
			return err
		}
		for i := range found {
			whole.Entries, whole.Bytes = whole.Entries+1, whole.Bytes+found[i].Size
		}
		if err := catalog.Adopt(ctx, found); err != nil {
			return err
		}
	}
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(f, 0, info.Size())); err != nil {
		return err
	}
	h.Sum(whole.Checksum[:0])
	return catalog.Adopted(ctx, whole, true)
}

// goodOf returns the crates of a pack whose tars are good.
func goodOf(ctx context.Context, r *deep.Reader, d *deep.Directory, name string, log *slog.Logger) (found []Found, err error) {
	err = r.Check(ctx, d, deep.Tars, func(n int, err error) {
		v := &d.Versions[n]
		if err != nil {
			log.Error("a crate of the deep archive is damaged: downloading it again", "crate", v.ID.Name, "version", v.ID.Version, "segment", name, "err", err)
			return
		}
		found = append(found, Found{v.Key, v.Size, store.DeepPlace{Segment: name, Pack: d.Offset, PackSize: d.Size, Number: n}})
	})
	if deep.IsDamage(err) {
		log.Error("a pack of the deep archive is damaged: downloading its crates again", "crate", d.Name, "segment", name, "err", err)
		return nil, nil
	}
	return found, err
}
