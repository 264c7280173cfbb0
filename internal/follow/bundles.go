package follow

import (
	"context"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
)

// A follower adds to the same bundle round after round, so that rounds do not make many small
// bundles. Config.BundleEvery is the longest time from the first crate in a bundle until it is
// finished. The bundle is also finished when the follower is stopped between two rounds, so
// that there is a complete file to carry or copy.

// finishes reports whether this round finishes the open bundle.
func (f *Follower) finishes() bool {
	return f.cfg.BundleEvery > 0 && f.owes && time.Since(f.opened) >= f.cfg.BundleEvery
}

// noteOpen records whether a run has left a bundle open.
func (f *Follower) noteOpen(ctx context.Context, keptOpen bool) error {
	owed := f.owes
	f.owes = keptOpen && (owed || f.summary.Downloaded > 0)
	if keptOpen && !f.owes && f.cfg.BundleEvery > 0 { // perhaps opened by an earlier process
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

// lastBundleTime bounds the time that a stopped follower takes to finish its bundle.
const lastBundleTime = time.Minute

// lastBundle finishes the open bundle of a follower that was stopped between two rounds.
// Everything in it is recorded, so if this fails, the next process resumes.
func (f *Follower) lastBundle(ctx context.Context) {
	if f.cfg.BundleEvery == 0 || !f.owes || f.cfg.Push != nil {
		return
	}
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), lastBundleTime)
	defer stop()
	f.opened = time.Time{} // now it is due
	if err := f.nothingNew(ctx); err != nil {
		f.cfg.Log.Warn("the open bundle is not finished; the next sync resumes it", "err", err)
	}
}

// nothingNew runs with no crates, which finishes what is open.
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
