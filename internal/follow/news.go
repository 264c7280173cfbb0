package follow

import (
	"context"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/news"
)

// expect measures how long it takes until the versions that the index has named since the last
// complete round are recorded. What the first round of a process finds does not count as new.
func (f *Follower) expect(ctx context.Context, ix *index.Index) {
	if f.news.Commit == "" || f.news.Commit == ix.Commit() {
		return
	}
	begin := time.Now()
	err := news.Between(ctx, ix, f.news, revisionOf(ix), func(v news.Version) { f.cfg.Activity.arrivals.Expect(v, begin) })
	if err != nil && ctx.Err() == nil {
		f.cfg.Log.Debug("how long new versions take is not measured in this round", "err", err)
	}
}

func revisionOf(ix *index.Index) index.Revision {
	return index.Revision{Commit: ix.Commit(), Time: ix.CommitTime()}
}

// noting is a catalog that reports what is recorded in it.
type noting struct {
	mirror.Catalog
	arrivals *news.Arrivals
}

// Commit implements mirror.Catalog.
func (n noting) Commit(ctx context.Context, b catalog.Batch) error {
	err := n.Catalog.Commit(ctx, b)
	if err == nil {
		now := time.Now()
		for i := range b.Versions {
			n.arrivals.Came(b.Versions[i].Key(), now)
		}
	}
	return err
}
