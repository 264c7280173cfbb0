package receive

import (
	"context"
	"errors"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/carry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// note records the state of the mirror before anything changes, for Back. A run that
// resumes another one does not change the record.
func (k *taking) note(ctx context.Context) error {
	if k.journal.Pending == k.t.manifest.End {
		return nil
	}
	refs, err := clone.ReadRefs(ctx, k.cfg.Home.Dirs.Index)
	if err != nil {
		return err
	}
	k.journal = journal{At: k.journal.At, Pending: k.t.manifest.End, Before: before{k.journal.At, refs}}
	return k.journal.write(k.w.State)
}

// forget restores the journal if the index did not move: a refused import cannot be undone,
// but the last one still can.
func (k *taking) forget(before journal) error {
	refs, err := clone.ReadRefs(context.Background(), k.cfg.Home.Dirs.Index) // even after the context has ended
	if err != nil || refs.Head != k.journal.Before.Refs.Head {
		return err
	}
	k.journal = before
	return before.write(k.w.State)
}

// take gives staged files their place in the mirror.
func (k *taking) take(ctx context.Context) error {
	segments := false
	for _, s := range k.inOrder() {
		if s.taken {
			continue
		}
		var err error
		switch s.Kind() {
		case transfer.Bundle:
			var sum, sumErr = s.summary()
			if err = sumErr; err == nil {
				_, err = k.w.TakeBundle(ctx, s.path, sum, s.members)
			}
		case transfer.Segment:
			segments = true
			err = k.takeSegment(s)
		case transfer.Facts:
			err = k.takeFacts(ctx, s)
		case transfer.Hidden:
			err = k.takeGate(s)
		}
		if err != nil {
			return err
		}
	}
	if segments {
		return k.w.AdoptSegments(ctx, k.deep)
	}
	return nil
}

// takeSegment gives a segment the next number.
func (k *taking) takeSegment(s *staged) error {
	entries, err := k.deep.ReadDir(".")
	if err != nil {
		return err
	}
	next := 0
	for _, e := range entries {
		name, _ := cutExt(e.Name(), deep.PartExt)
		if n, err := deep.ParseFileName(name); err == nil {
			next = max(next, n.Number+1)
		}
	}
	if err := k.deep.Publish(s.path, deep.FileName(next)); err != nil {
		return err
	}
	return k.deep.SyncDir(".")
}

func cutExt(name, ext string) (string, bool) {
	if len(name) > len(ext) && name[len(name)-len(ext):] == ext {
		return name[:len(name)-len(ext)], true
	}
	return name, false
}

// takeFacts records in the catalog what the sending side knew.
func (k *taking) takeFacts(ctx context.Context, s *staged) error {
	f, err := s.folder.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	const batch = 1000
	var b catalog.Batch
	for fact, err := range transfer.ReadFacts(f) {
		if err != nil {
			return err
		}
		switch fact.Kind {
		case transfer.IsGone:
			b.Gone = append(b.Gone, catalog.Gone{ID: fact.ID(), Status: fact.Status, Evidence: fact.Text, Since: fact.Time})
		case transfer.IsRemoved:
			b.Removed = append(b.Removed, catalog.Removal{
				Key: crate.Key{ID: fact.ID(), Checksum: fact.SHA256}, Scope: fact.Scope, Seen: fact.Time,
				At: catalog.Revision{Commit: fact.Commit, Time: fact.Of},
			})
		}
		if len(b.Gone)+len(b.Removed) == batch {
			if err := k.w.Catalog.Commit(ctx, b); err != nil {
				return err
			}
			b = catalog.Batch{}
		}
	}
	return k.w.Catalog.Commit(ctx, b)
}

// move moves the index to the carried commit: from then on it is served.
func (k *taking) move(ctx context.Context) error {
	s := k.staged[transfer.IndexName]
	f, err := s.folder.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = carry.Apply(ctx, k.clone(), f, k.t.manifest.End.Commit)
	return err
}

// record updates the catalog from the index, and the journal with the point of the mirror.
func (k *taking) record(ctx context.Context) error {
	summary, err := catchUp(ctx, k.cfg, k.w)
	k.res.Summary = summary
	if err != nil {
		return err
	}
	if err := k.compare(ctx); err != nil {
		return err
	}
	if err := k.takeLog(); err != nil {
		return err
	}
	k.journal.At = k.t.manifest.End
	return k.journal.write(k.w.State)
}

// compare compares what both sides hold.
func (k *taking) compare(ctx context.Context) error {
	digest, err := eachKey(ctx, k.w.Catalog, func(crate.Key) error { return nil })
	if err != nil {
		return err
	}
	m := k.t.manifest
	k.res.Held, k.res.Same = digest.N, digest.Sum() == m.End.Digest
	k.res.Lacking = max(0, m.Versions-digest.N)
	return nil
}

// catchUp does a run of package mirror without upstream, which updates the catalog from the
// index.
func catchUp(ctx context.Context, cfg *Config, w *home.Writer) (*mirror.Summary, error) {
	job := mirror.Config{
		Store: w.Store, Catalog: w.Catalog, Manifest: w.Manifest, State: w.State, Disks: w.Disks(),
		Out: cfg.Home.Dirs.Crates, BundlesOut: cfg.Home.Dirs.Bundles, NewsOnly: true,
	}
	ix, err := cfg.Home.Dirs.OpenIndex(ctx, cfg.Log)
	if err != nil {
		return nil, err
	}
	job.Config = plan.Config{
		Source: plan.FromIndex(ix, nil), IncludeYanked: true, HeldOnly: true, AcceptShrink: true, AcceptRepublished: plan.AcceptAlways, Log: cfg.Log,
	}
	job.Fetch, job.Progress = offline{}, cfg.Progress
	summary, err := mirror.Run(ctx, job)
	return summary, errors.Join(err, ix.Close())
}

// offline is the fetcher of a run without upstream: it has no crates.
type offline struct{}

// Fetch implements mirror.Fetcher.
func (offline) Fetch(context.Context, upstream.Request) (*upstream.Body, upstream.Stats, error) {
	return nil, upstream.Stats{}, errors.New("not fetched: there is no network here; the next transfer may bring it")
}
