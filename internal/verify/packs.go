package verify

import (
	"context"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/packed"
)

// packs are the versions of a page that are in the deep archive. Versions in the same pack
// are verified together, at the first of them, because one needs the whole pack decoded as
// much as all do.
type packs struct {
	cfg      *Config
	depth    deep.Depth
	rows     map[store.DeepPlace][]*catalog.Version // by pack, with the number 0 in the place
	verdicts map[*catalog.Version]error             // of packs that were verified
}

// packsOf returns the packs of a page, without the versions in seen.
func (cfg *Config) packsOf(versions []catalog.Version, seen map[crate.ID]bool) *packs {
	p := &packs{cfg: cfg, depth: deep.Crates, rows: map[store.DeepPlace][]*catalog.Version{}, verdicts: map[*catalog.Version]error{}}
	if cfg.TarsOnly {
		p.depth = deep.Tars
	}
	for i := range versions {
		if v := &versions[i]; v.Deep.Segment != "" && !seen[v.ID] {
			p.rows[packOf(v)] = append(p.rows[packOf(v)], v)
		}
	}
	return p
}

func packOf(v *catalog.Version) store.DeepPlace {
	at := v.Deep
	at.Number = 0
	return at
}

// check returns the error of a version in the deep archive. If it is not of the page, or
// has moved since, it is verified alone.
func (p *packs) check(ctx context.Context, v *catalog.Version) error {
	if err, known := p.verdicts[v]; known {
		return err
	}
	versions := p.rows[packOf(v)]
	if !slices.Contains(versions, v) {
		return p.together(ctx, []*catalog.Version{v})[0]
	}
	for i, err := range p.together(ctx, versions) {
		p.verdicts[versions[i]] = err
	}
	return p.verdicts[v]
}

// together verifies versions in the same pack.
func (p *packs) together(ctx context.Context, versions []*catalog.Version) []error {
	rows := make([]packed.Row, len(versions))
	for i, v := range versions {
		rows[i] = packed.Row{Key: v.Key(), At: v.Deep}
	}
	errs := p.cfg.Store.CheckPack(ctx, rows, p.depth)
	for i, err := range errs {
		if err == nil {
			p.cfg.Progress.bytes.Add(versions[i].Size)
		}
	}
	return errs
}
