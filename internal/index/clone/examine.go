package clone

import (
	"context"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// examine stops an update to something that is not what comes after what we
// have: a mishap upstream, or somebody who wants to hide what was published.
func (u *updater) examine(ctx context.Context, repo *repository, up Updated) error {
	if u.cfg.AcceptShrink {
		return nil
	}
	if up.After.Time.Before(up.Before.Time) {
		return index.WentBack("upstream", up.After, "here is", up.Before, "nothing was changed; ask upstream")
	}
	have, err := index.CountFiles(ctx, repo.Repository, up.After.Commit)
	if err != nil {
		return err
	}
	if have == 0 {
		return index.ErrEmpty
	}
	if up.Before.Commit == "" {
		return nil
	}
	had, err := index.CountFiles(ctx, repo.Repository, up.Before.Commit)
	if err != nil {
		return err
	}
	return index.CheckShrink(had-have, had, "crates of the index are gone upstream", "nothing was changed; ask upstream")
}
