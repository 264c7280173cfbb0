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

// A NoWayError says why there is nothing to go back to. Nothing was changed.
type NoWayError struct {
	At     transfer.Point // where the mirror is
	Undone transfer.Point // the import that was undone already; zero: none
	First  bool           // the last import is the first one, and there was no index before it
}

func (e *NoWayError) Error() string {
	switch {
	case !e.Undone.IsZero():
		return fmt.Sprintf("the import of %s was taken back already, and only the last one can be: the mirror is at %s; nothing was changed", e.Undone.ID(), e.At.ID())
	case e.First:
		return fmt.Sprintf("the import of %s is the first one, and there was no index before it to go back to; nothing was changed", e.At.ID())
	}
	return "there is no import to take back: none was taken here; nothing was changed"
}

// ErrMoved means that something other than an import has moved the index since.
var ErrMoved = errors.New("the index was updated since the last import, which can be taken back no more; nothing was changed")

// Back undoes the last import: the index, its days and what is served become what they were
// before. Crate files stay; the index no longer names them, but they need not be carried
// again. It may be called again after an interruption. Errors: *NoWayError, ErrMoved.
func Back(ctx context.Context, cfg Config) (at transfer.Point, err error) {
	j, err := readJournal(&cfg.Home.Dirs)
	if err == nil {
		err = j.way()
	}
	if err != nil { // before anything is made or locked
		return j.At, err
	}
	w, err := home.Open(ctx, cfg.Home)
	if err != nil {
		return at, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if j, err = readJournal(&cfg.Home.Dirs); err == nil { // another import may have run meanwhile
		err = j.way()
	}
	if err != nil {
		return j.At, err
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
	j = journal{At: j.Before.At, Undone: j.Pending}
	return j.At, j.write(w.State)
}

// way checks that there is something to go back to. Errors: *NoWayError.
func (j *journal) way() error {
	if j.Pending.IsZero() || j.Before.Refs.Head == "" {
		return &NoWayError{j.At, j.Undone, !j.Pending.IsZero()}
	}
	return nil
}

// State writes what the mirror holds as a state, for the sending side. A mirror without
// imports gets its own line. The catalog is only read.
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

// eachKey calls fn for everything that a catalog holds, and returns the digest.
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
