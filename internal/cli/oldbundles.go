package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/prune"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/bundled"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// findOldBundles prints the bundles of v1.1.0 that prune would check and remove.
func (a *App) findOldBundles(ctx context.Context, cfg *pruneConfig) error {
	folder, err := home.OpenIfThere(cfg.dirs.Bundles)
	if err != nil {
		return err
	}
	var found []prune.OldBundle // by the last attempt
	if folder != nil {
		defer folder.Close()
		err = cfg.dirs.ReadCatalog(ctx, func(c *catalog.Catalog) error {
			found = nil
			old := prune.Old{Folder: folder, Catalog: c}
			return old.Run(ctx, func(b *prune.OldBundle) error {
				found = append(found, *b)
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	var bytes int64
	for _, b := range found {
		bytes += b.Size
		fmt.Fprintf(console.Wrap(a.Stdout), "%s  %s\n", b.Name, human.Size(b.Size))
	}
	if len(found) == 0 {
		fmt.Fprintln(a.Stdout, "nothing to remove: no bundle of v1.1.0 that was taken over is there")
		return nil
	}
	fmt.Fprintf(console.Wrap(a.Stdout), "%s of v1.1.0, %s, taken over: -yes reads each to its end, proves that the mirror holds all that is in it, and removes it\n",
		human.Plural(int64(len(found)), "bundle"), human.Size(bytes))
	return nil
}

// removeOldBundles removes each bundle of v1.1.0 after proving that the mirror has all its
// crates, and prints why it keeps others. If it keeps any, it returns a verdict.
func (a *App) removeOldBundles(ctx context.Context, cfg *pruneConfig, ix *index.Index, log *slog.Logger) error {
	return a.whilePruning(ctx, cfg, ix, log, true, func(w *home.Writer, _ *bundled.Store) error {
		var removed, bytes, kept int64
		damaged := false
		old := prune.Old{Folder: w.Bundles, Catalog: w.Catalog, Store: w.Store, Remove: true}
		err := old.Run(ctx, func(b *prune.OldBundle) error {
			if b.Kept != nil {
				kept++
				damaged = damaged || errors.As(b.Kept, new(*prune.DamagedError))
				_, err := fmt.Fprintf(console.Wrap(a.Stdout), "%s stays: %s\n", b.Name, human.Printable(human.OneLine(b.Kept)))
				return err
			}
			removed, bytes = removed+1, bytes+b.Size
			_, err := fmt.Fprintf(console.Wrap(a.Stdout), "%s removed: %s proved to be in the mirror\n", b.Name, human.Plural(int64(b.Crates), "crate"))
			return err
		})
		fmt.Fprintf(console.Wrap(a.Stdout), "%s of v1.1.0 removed, %s\n", human.Plural(removed, "bundle"), human.Size(bytes))
		switch {
		case err != nil || kept == 0:
			return err
		case damaged:
			return verdict.Integrityf("%s of v1.1.0 kept, because the mirror stores damaged bytes of what is in one: run clonecratesio verify -repair, then this again", human.Plural(kept, "bundle"))
		}
		return verdict.Incompletef("%s of v1.1.0 kept, because not all that is in one is proved to be in the mirror: listed above", human.Plural(kept, "bundle"))
	})
}
