package clone

import (
	"context"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// Words are the words with which a refusal describes the source of an index.
type Words struct {
	Source string // "upstream"
	Gone   string // said of crates: "gone upstream"
	Todo   string // what to do other than -accept-shrink
}

// ofUpstream are the words of an update.
var ofUpstream = Words{Source: "upstream", Gone: "gone upstream", Todo: "nothing was changed; ask upstream"}

// examine stops an update to an index that cannot be a successor of ours: a mishap
// upstream, or an attempt to hide what was published.
func (u *updater) examine(ctx context.Context, repo *repository, up Updated) error {
	if u.cfg.AcceptShrink {
		return nil
	}
	return Examine(ctx, repo.Repository, up, ofUpstream)
}

// Examine does what an update does before HEAD moves, unless its Config accepts a smaller
// index. It is for callers that bring an index in other ways, before they give it a name.
// Errors: *index.ShrinkError.
func Examine(ctx context.Context, repo *git.Repository, up Updated, said Words) error {
	if up.After.Time.Before(up.Before.Time) {
		return index.WentBack(said.Source, up.After, "here is", up.Before, said.Todo)
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
	return index.CheckShrink(had-have, had, "crates of the index are "+said.Gone, said.Todo)
}
