package plan

import (
	"context"
	"errors"
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// OldBundles finds bundles of v1.1.0 that have not been copied into the store yet.
func OldBundles(ctx context.Context, folder durable.Reader, known Catalog) (found []catalog.Taken, err error) {
	if folder == nil {
		return nil, nil
	}
	entries, err := folder.ReadDir(".")
	if err != nil {
		return nil, fmt.Errorf("looking for bundles of v1.1.0: %w", err)
	}
	taken, err := known.Taken(ctx)
	if err != nil {
		return nil, err
	}
	done := make(map[string]catalog.Taken, len(taken))
	for _, t := range taken {
		done[t.Name] = t
	}
	for _, e := range entries {
		if _, err := bundle.ParseFileName(e.Name()); err != nil {
			continue
		}
		info, err := e.Info()
		if err != nil || durable.IsUnchanging(e) || !info.Mode().IsRegular() {
			continue // the run that makes bundles here reports the problem
		}
		t := catalog.Taken{Name: e.Name(), Size: info.Size(), Modified: info.ModTime()}
		if was := done[t.Name]; was.Size == t.Size && was.Modified.Equal(t.Modified) {
			continue
		}
		if isOld(folder, t.Name, t.Size) {
			found = append(found, t)
		}
	}
	return found, nil
}

func isOld(folder durable.Reader, name string, size int64) bool {
	f, err := folder.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	_, err = bundle.Open(f, size)
	return errors.Is(err, bundle.ErrStream)
}

// Missing asks the source about crates. It calls want for each crate that the source names
// and that is not stored where a plan would look, and returns the number of crates that the
// source does not name.
func Missing(ctx context.Context, cfg Config, held Held, ids []crate.ID, want func(*Item)) (unnamed int, err error) {
	asked, files := map[crate.ID]bool{}, map[string]bool{}
	for _, id := range ids {
		asked[id], files[crate.IndexPath(id.Name)] = true, true
	}
	listing, err := held.Store.NewListing()
	if err != nil || len(asked) == 0 {
		return 0, err
	}
	p := planner{cfg: &cfg, catalog: held.Catalog, listing: listing}
	err = cfg.groups(ctx, new(int64), func(path, _ string) (bool, string) { return files[path], "" }, func(g *Group) error {
		if !files[g.Path] {
			return nil
		}
		rows, err := p.heldOf(ctx, g)
		if err != nil {
			return err
		}
		for i := range g.Entries {
			e := &g.Entries[i]
			if asked[e.ID] && !p.stands(e, rows.of(e.ID)) {
				want(e)
			}
			delete(asked, e.ID)
		}
		return nil
	})
	return len(asked), err
}

// stands reports whether the plan already has something to look at: the crate itself,
// another file under its name, or contradicting bytes.
func (p *planner) stands(e *Item, h *heldBytes) bool {
	v := h.now
	switch {
	case v == nil || v.Checksum != e.Checksum && v.VerifiedAt.IsZero():
		v = h.find(e.Checksum)
	case v.Checksum != e.Checksum:
		return true
	}
	if v != nil && v.ID == e.ID && p.surviving(&v.Version) != (store.Placement{}) {
		return true
	}
	return p.occupied(e.ID)
}
