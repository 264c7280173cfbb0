package clone

import (
	"context"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// examine stops an update to something that is not what comes after what we
// have: a mishap upstream, or somebody who wants to hide what was published.
func (u *updater) examine(ctx context.Context, repo *repository, up Updated) error {
	return Examine(ctx, u.cfg, repo.Repository, up)
}

// Examine is what an update does before HEAD moves, for those that bring something in
// other ways: before they give it any name.
func Examine(ctx context.Context, cfg Config, repo *git.Repository, up Updated) error {
	if cfg.AcceptShrink {
		return nil
	}
	if up.After.Time.Before(up.Before.Time) {
		return index.WentBack("upstream", up.After, "here is", up.Before, "nothing was changed; ask upstream")
	}
	have, err := index.CountFiles(ctx, repo, up.After.Commit)
	if err != nil {
		return err
	}
	if have == 0 {
		return index.ErrEmpty
	}
	if up.Before.Commit == "" {
		return nil
	}
	had, err := index.CountFiles(ctx, repo, up.Before.Commit)
	if err != nil {
		return err
	}
	return index.CheckShrink(had-have, had, "crates of the index are gone upstream", "nothing was changed; ask upstream")
}
