package plan

import (
	"context"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// checkAge stops a run over an index that is older than the one mirrored last: a restored
// backup, or an attempt to hide later publications.
func (p *planner) checkAge(ctx context.Context) (err error) {
	p.revision, p.scope = p.cfg.Source.Revision()
	p.mirrored, err = p.catalog.Revision(ctx)
	rev, last := p.revision, p.mirrored
	if err != nil || p.cfg.AcceptShrink || rev.Commit == last.Commit || !rev.Time.Before(last.Time) || rev.Commit == "" {
		return err
	}
	return index.WentBack("the index", index.Revision(rev), "mirrored last was", index.Revision(last), "update the index")
}

// checkShrink stops a run over an index that lost too much. If the loss is accepted, it is
// not reported again.
func (p *planner) checkShrink(ctx context.Context) error {
	if err := p.known.drain(); err != nil {
		return err
	}
	vanished := p.known.vanished
	if !p.cfg.AcceptShrink {
		if err := index.CheckShrink(int64(len(vanished)), int64(p.known.total), "crates that were mirrored are no longer in the index", "complete the index"); err != nil {
			return err
		}
	}
	return p.vanish(ctx, vanished)
}

// vanish marks the versions of crates that are no longer in the index. They are kept.
func (p *planner) vanish(ctx context.Context, paths []string) error {
	if len(paths) == 0 {
		return nil
	}
	return p.sink.Vanished(ctx, paths)
}

// knownCrates finds crates in the catalog's sorted sequence. Queries come in the same
// order, so one pass serves all of them. Crates that it passes over have vanished.
type knownCrates struct {
	next     func() (catalog.Holding, error, bool)
	shard    crate.Shard     // crates of others are skipped silently
	current  catalog.Holding // not looked at yet, unless its Path is empty
	ended    bool
	total    int
	vanished []string // paths
}

func (k *knownCrates) find(path string) (catalog.Holding, error) {
	for !k.ended && k.current.Path < path {
		if err := k.advance(); err != nil {
			return catalog.Holding{}, err
		}
	}
	if k.ended || k.current.Path != path {
		return catalog.Holding{}, nil
	}
	found := k.current
	k.current = catalog.Holding{}
	return found, nil
}

func (k *knownCrates) advance() error {
	if k.current.Path != "" {
		k.vanished = append(k.vanished, k.current.Path)
	}
	cr, err, ok := k.next()
	for err == nil && ok && !k.shard.Has(path.Base(cr.Path)) {
		cr, err, ok = k.next()
	}
	if err != nil {
		return err
	}
	k.current, k.ended = cr, !ok
	if ok {
		k.total++
	}
	return nil
}

// drain passes over the remaining crates.
func (k *knownCrates) drain() error {
	for !k.ended {
		if err := k.advance(); err != nil {
			return err
		}
	}
	return nil
}
