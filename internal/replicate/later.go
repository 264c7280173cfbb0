package replicate

import (
	"context"
	"errors"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/overlay"
)

// came reports whether this run has recorded a row: it is then not a pin that forbids other
// bytes of the version from the same peer, from before it was published again.
func (j *replication) came(row *catalog.Version) bool {
	return j.taken[row.Bundle] || j.taken[row.Deep.Segment]
}

// later looks in all files of the peer for the bytes that the index names in place of
// crates: a version that was published again has its later bytes in another bundle or
// segment.
func (g *judging) later(ctx context.Context) error {
	if err := g.inLists(ctx); err != nil {
		return err
	}
	if err := g.inSegments(ctx); err != nil {
		return err
	}
	for key, got := range g.before {
		if _, err := g.j.w.Catalog.ByChecksum(ctx, key); !errors.Is(err, fs.ErrNotExist) {
			if err != nil {
				return err
			}
			continue // held here already
		}
		if err := g.refuse("%s has sha256 %s, and the index names %s", key.ID, got, key.Checksum); err != nil {
			return err
		}
	}
	return nil
}

func (g *judging) inLists(ctx context.Context) error {
	for i := range g.j.root.Bundles {
		f := &g.j.root.Bundles[i]
		if len(g.before) == 0 {
			return nil
		}
		for n := range f.Lists {
			if err := g.j.in.Fetch(ctx, root.BundlesDir, &f.Lists[n]); err != nil {
				return err
			}
			err := g.j.readList(ctx, f, &f.Lists[n], func(e *lists.ManifestEntry) error {
				delete(g.before, crate.Key{ID: e.ID, Checksum: e.Checksum})
				return nil
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// inSegments reads the directories of segments, here or at the peer.
func (g *judging) inSegments(ctx context.Context) error {
	source := overlay.New(g.j.cfg.From)
	source.ReadAhead = true
	source.Show(&root.Root{Segments: g.j.root.Segments})
	folder := source.Folder(g.j.w.State, root.DeepDir)
	for i := range g.j.root.Segments {
		if len(g.before) == 0 {
			return nil
		}
		f := &g.j.root.Segments[i]
		file, err := folder.Open(f.Name)
		if err != nil {
			return err
		}
		for d, err := range deep.OpenKnown(f.Name, file, f.Size).Directories() {
			if err != nil || ctx.Err() != nil {
				break // it is checked when it is downloaded
			}
			for n := range d.Versions {
				delete(g.before, d.Versions[n].Key)
			}
		}
		if err := errors.Join(context.Cause(ctx), file.Close()); err != nil {
			return err
		}
	}
	return nil
}
