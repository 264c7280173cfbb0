package follow

import (
	"context"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
)

// A follower continues the same bundle round by round, so that rounds make no bundles of
// a few crates. With Config.BundleEvery the bundle is finished at the latest so long
// after the first crate was put into it, and when the follower is stopped between two
// rounds: then there is a whole file to carry or to copy.

// finishes reports whether the bundle that is open is finished in this round.
func (f *Follower) finishes() bool {
	return f.cfg.BundleEvery > 0 && f.owes && time.Since(f.opened) >= f.cfg.BundleEvery
}

// noteOpen notes what a run has left open.
func (f *Follower) noteOpen(ctx context.Context, keptOpen bool) error {
	owed := f.owes
	f.owes = keptOpen && (owed || f.summary.Downloaded > 0)
	if keptOpen && !f.owes && f.cfg.BundleEvery > 0 { // perhaps of an earlier process
		bundles, err := f.open.Catalog.Bundles(ctx)
		if err != nil {
			return err
		}
		for i := range bundles {
			f.owes = f.owes || !bundles[i].Whole
		}
	}
	if f.owes && !owed {
		f.opened = time.Now()
	}
	return nil
}

// lastBundleTime bounds how long a follower that is stopped finishes its bundle.
const lastBundleTime = time.Minute

// lastBundle finishes the bundle that is open, for a follower that was stopped while it
// waited: all that is in it is recorded. The next process resumes what fails.
func (f *Follower) lastBundle(ctx context.Context) {
	if f.cfg.BundleEvery == 0 || !f.owes || f.cfg.Push != nil {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), lastBundleTime)
	defer stop()
	f.opened = time.Time{} // it is time
	if err := f.nothingNew(ctx); err != nil {
		f.cfg.Log.Warn("the open bundle is not finished; the next sync resumes it", "err", err)
	}
}

// nothingNew is a run over no crate at all, which brings to its end what is open.
func (f *Follower) nothingNew(ctx context.Context) error {
	ix, err := f.cfg.Home.Dirs.OpenIndex(ctx, f.cfg.Log)
	if err != nil {
		return err
	}
	defer ix.Close()
	none, gone, err := ix.Changes(ctx, ix.Commit(), nil)
	if err != nil {
		return err
	}
	return f.mirrorFrom(ctx, ix, &work{plan.FromChanges(none, gone), none, func(*mirror.Summary) {}})
}
