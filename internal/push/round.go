package push

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/carry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// Round is what a round that came to its end has found.
type Round struct {
	Commit   string // of the index; empty: it has none, being no repository
	Complete bool   // all is held that the index names of the shard
	Missing  int64  // versions that it names and are not held
}

// Round pushes what is left, the index, and from time to time a snapshot of the
// catalog, and has the root say how far this writer is.
func (p *Pusher) Round(ctx context.Context, done Round) error {
	ctx, stop := p.session.Until(ctx)
	defer stop()
	if err := p.persist(ctx); err != nil {
		return err
	}
	if err := p.warnLoose(ctx); err != nil {
		return err
	}
	before := p.session.Root()
	index, err := p.index(ctx, &before.Index, done.Commit)
	if err != nil {
		return fmt.Errorf("pushing the index to %s: %w", p.cfg.Bucket, err)
	}
	snapshot, err := p.snapshot(ctx, before)
	if err != nil {
		return fmt.Errorf("pushing a snapshot of the catalog to %s: %w", p.cfg.Bucket, err)
	}
	state, err := p.state(ctx, done)
	if err != nil {
		return err
	}
	err = p.commit(ctx, func(r *root.Root) error {
		setIndex(r, &before.Index, index)
		if snapshot != nil {
			r.Catalog = snapshot
		}
		r.Superseded = slices.DeleteFunc(r.Superseded, func(key string) bool { return slices.Contains(before.Superseded, key) })
		if index != nil || snapshot != nil {
			r.Supersede(before)
		}
		if w := r.Writers[p.session.Shard()]; done.Commit != "" {
			state.set(&w)
			r.Writers[p.session.Shard()] = w
		}
		return nil
	})
	if err != nil {
		return err
	}
	return p.sweep(ctx, before)
}

// setIndex has a root name the index that was pushed. If another shard was faster, its
// index is named, and the object of this one is removed by the round after the next.
func setIndex(r *root.Root, was, now *root.Index) {
	switch {
	case now == nil:
	case r.Index.Commit == was.Commit:
		r.Index = *now
	default:
		key := root.Key(root.IndexDir, now.Chain[len(now.Chain)-1].Name)
		if !slices.Contains(r.Superseded, key) {
			r.Superseded = append(r.Superseded, key)
		}
	}
}

// state is what the root is to say of the writer.
type state struct {
	Round
	crates, versions, bytes int64
}

func (p *Pusher) state(ctx context.Context, done Round) (state, error) {
	t, err := p.writer.Catalog.Totals(ctx)
	return state{done, t.Crates, t.Versions, t.Bytes}, err
}

// set enters it, with the time if anything else has changed.
func (s *state) set(w *root.Writer) {
	was := *w
	w.Commit, w.Complete, w.Missing = s.Commit, s.Complete, s.Missing
	w.Crates, w.Versions, w.Bytes = s.crates, s.versions, s.bytes
	if *w != was {
		w.Time = time.Now()
	}
}

// warnLoose says so if there are crates that do not travel.
func (p *Pusher) warnLoose(ctx context.Context) error {
	n, err := p.writer.Catalog.LooseAlone(ctx)
	if err == nil && n > 0 {
		p.cfg.Log.Warn("crates are here as loose files alone, which are not pushed: readers of the bucket do not have them", "crates", n, "out", p.cfg.Dirs.Crates)
	}
	return err
}

// Of the index, a bundle of git with everything is pushed again when the chain has so
// many links, or they are larger than this part of the first.
const (
	maxLinks = 64
	maxGrown = 0.5
)

// index pushes the index up to a commit, and returns what the root is to say of it; nil:
// as it is.
func (p *Pusher) index(ctx context.Context, was *root.Index, commit string) (*root.Index, error) {
	if commit == "" || commit == was.Commit {
		return nil, nil
	}
	var since []string
	if was.Commit != "" && !isLong(was.Chain) {
		since = []string{was.Commit}
	}
	name := root.IndexName(commit, p.session.Epoch())
	if slices.ContainsFunc(was.Chain, func(f root.File) bool { return root.IndexCommit(f.Name) == commit }) {
		return nil, nil // the index went back to where it was: a later commit ends the chain
	}
	temp := durable.TempName(tempDir)
	var header carry.Header
	link, err := p.made(ctx, temp, root.IndexDir, name, func(w io.Writer) (err error) {
		header, err = carry.Write(ctx, p.cfg.Dirs.Index, since, commit, w)
		return err
	})
	if err != nil {
		return nil, err
	}
	chain := []root.File{link}
	if len(header.Since) > 0 {
		chain = append(slices.Clone(was.Chain), link)
	}
	return &root.Index{Branch: indexBranch, Commit: commit, Chain: chain}, nil
}

// indexBranch is that of carry's bundles.
const indexBranch = "master"

func isLong(chain []root.File) bool {
	if len(chain) >= maxLinks {
		return true
	}
	var grown int64
	for i := range chain[1:] {
		grown += chain[i+1].Size
	}
	return float64(grown) > maxGrown*float64(chain[0].Size)
}

// snapshotEvery is after how many roots there is another snapshot of the catalog. A
// replica that begins reads the lists of what came since.
const snapshotEvery = 50

// snapshot pushes the catalog, if it is time; nil: it is not. That of a shard has not
// all that a replica needs.
func (p *Pusher) snapshot(ctx context.Context, now *root.Root) (*root.Snapshot, error) {
	if p.session.Shard() != "" || len(now.Bundles) == 0 || now.Catalog != nil && now.Generation-now.Catalog.Generation < snapshotEvery {
		return nil, nil
	}
	copied := filepath.Join(p.cfg.Dirs.State(), tempDir, "catalog.copy")
	f, err := p.made(ctx, durable.TempName(tempDir), root.CatalogDir, root.CatalogName(now.Generation), func(w io.Writer) error {
		return p.writer.Catalog.Snapshot(ctx, copied, w)
	})
	if err != nil {
		return nil, err
	}
	return &root.Snapshot{File: f, Generation: now.Generation}, nil
}

// tempDir is the folder below the state folder of files that are being made. It is
// emptied when the mirror is opened.
const tempDir = "tmp"

// made makes a file, makes an object of it, and removes it.
func (p *Pusher) made(ctx context.Context, temp, dir, name string, fill func(io.Writer) error) (_ root.File, err error) {
	state := p.writer.State
	if err := state.MkdirAll(tempDir); err != nil {
		return root.File{}, err
	}
	f, err := state.Create(temp)
	if err != nil {
		return root.File{}, err
	}
	defer func() { err = errors.Join(err, state.Remove(temp)) }()
	if err := errors.Join(fill(f), f.Close()); err != nil {
		return root.File{}, err
	}
	return p.object(ctx, dir, renamed{state, temp}, name, nil)
}

// renamed is a folder in which one file has any name.
type renamed struct {
	durable.FS
	file string
}

// Open implements durable.Reader.
func (r renamed) Open(string) (durable.File, error) { return r.FS.Open(r.file) }

// sweep removes objects that the root before this round superseded already: by now no
// reader goes by one that named them, and no writer gives their names again.
func (p *Pusher) sweep(ctx context.Context, before *root.Root) error {
	now := p.session.Root()
	for _, key := range before.Superseded {
		if isNamed(now, key) {
			continue
		}
		if err := p.cfg.Bucket.Remove(ctx, key); err != nil {
			return err
		}
	}
	return nil
}
