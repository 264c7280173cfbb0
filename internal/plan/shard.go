package plan

import (
	"context"
	"path"
	"slices"
)

// groups yields the groups of the crates of Config.Shard and counts the others. A bad entry
// that belongs to no crate is reported by every shard.
func (cfg *Config) groups(ctx context.Context, others *int64, want Want, yield func(*Group) error) error {
	if cfg.Shard.All() {
		return cfg.Source.Groups(ctx, want, yield)
	}
	has := func(indexPath string) bool { return cfg.Shard.Has(path.Base(indexPath)) }
	wanted := func(path, blob string) (bool, string) {
		if !has(path) {
			*others++
			return false, ""
		}
		return want(path, blob)
	}
	return cfg.Source.Groups(ctx, wanted, func(g *Group) error {
		if g.Path != "" && !has(g.Path) {
			return nil // lists, and unreadable crates, come without being asked for
		}
		if g.Path == "" {
			g.Bad = slices.DeleteFunc(slices.Clone(g.Bad), func(b BadEntry) bool { return b.Name != "" && !cfg.Shard.Has(b.Name) })
		}
		return yield(g)
	})
}
