package receive

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// ErrNoWay: there is nothing to go back to.
var ErrNoWay = errors.New("there is no import to go back from: one can be taken back, the last one, and not the first of all")

// ErrMoved: something else than an import has moved the index since.
var ErrMoved = errors.New("the index was updated since the last import, which can be taken back no more; nothing was changed")

// Back takes the last import back: the index, its days and what is served are what they
// were before. Crate files stay: they are not named any more, and need not be carried once
// more. It may be called again after it was stopped. Errors: ErrNoWay, ErrMoved.
func Back(ctx context.Context, cfg Config) (at transfer.Point, err error) {
	w, err := home.Open(ctx, cfg.Home)
	if err != nil {
		return at, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	j, err := readJournal(&cfg.Home.Dirs)
	if err != nil {
		return at, err
	}
	if j.Pending.IsZero() || j.Before.Refs.Head == "" {
		return j.At, ErrNoWay
	}
	now, err := clone.ReadRefs(ctx, cfg.Home.Dirs.Index)
	if err != nil {
		return j.At, err
	}
	if now.Head != j.Pending.Commit && now.Head != j.Before.Refs.Head {
		return j.At, ErrMoved
	}
	if err := clone.Return(ctx, clone.Config{Dir: cfg.Home.Dirs.Index, Log: cfg.Log}, j.Before.Refs); err != nil {
		return j.At, fmt.Errorf("taking the last import back: %w", err)
	}
	if _, err := catchUp(ctx, &cfg, w); err != nil {
		return j.At, fmt.Errorf("taking the last import back: %w", err)
	}
	j = journal{At: j.Before.At}
	return j.At, j.write(w.State)
}

// State writes what the mirror holds as a state, for the sending side. A mirror that has
// taken nothing yet gets a line of its own. The catalog is only read.
func State(ctx context.Context, cfg Config, to io.Writer) (p transfer.Point, err error) {
	w, err := home.Hold(cfg.Home)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if err := w.OpenKnownCatalog(); err != nil {
		return p, err
	}
	j, err := readJournal(&cfg.Home.Dirs)
	if err != nil {
		return p, err
	}
	ix, err := cfg.Home.Dirs.OpenIndex(ctx, cfg.Log)
	if err != nil {
		return p, err
	}
	defer func() { err = errors.Join(err, ix.Close()) }()
	out, err := transfer.NewStateWriter(to)
	if err != nil {
		return p, err
	}
	digest, err := eachKey(ctx, w.Catalog, func(key crate.Key) error { return out.Add(transfer.Entry{Key: transfer.Half(key)}) })
	if err != nil {
		return p, err
	}
	if p = j.At; p.IsZero() {
		commit, of := ix.Commit(), ix.CommitTime()
		p = transfer.Point{Line: transfer.NewLine(), Number: 1, Digest: digest.Sum(), Commit: commit, Time: of.UTC()}
		j.At = p
		if err := j.write(w.State); err != nil {
			return p, err
		}
	}
	return p, out.End(p)
}

// eachKey calls fn for all that a catalog holds, and returns the digest.
func eachKey(ctx context.Context, c *catalog.Catalog, fn func(crate.Key) error) (*transfer.Digest, error) {
	d, last := transfer.NewDigest(), crate.ID{}
	const page = 4096
	for {
		rows, err := c.Page(ctx, last, page)
		if err != nil || len(rows) == 0 {
			return d, err
		}
		for i := range rows {
			d.Add(rows[i].Key())
			if err := fn(rows[i].Key()); err != nil {
				return d, err
			}
			last = rows[i].ID
		}
	}
}
