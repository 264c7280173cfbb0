package search

import (
	"cmp"
	"context"
	"slices"
	"time"
)

const (
	// pause is how long nothing is read after a crate, as a multiple of the time for that
	// crate.
	pause = 4
	// rest is the pause between two passes over all crates.
	rest = 6 * time.Hour
	// saveEvery is how often the file is written during a pass.
	saveEvery = 10 * time.Minute
	// aboutTime limits the time for one crate.
	aboutTime = 30 * time.Second
)

// Follow reads the newest version of each held crate, the most wanted ones first, until ctx
// ends.
func (t *Texts) Follow(ctx context.Context) {
	for ctx.Err() == nil {
		if err := t.pass(ctx); err != nil && ctx.Err() == nil {
			t.cfg.Log.Warn("descriptions are not up to date", "err", err)
		}
		if err := t.save(); err != nil {
			t.cfg.Log.Warn(err.Error())
		}
		sleep(ctx, rest)
	}
}

// pass handles each crate once.
func (t *Texts) pass(ctx context.Context) error {
	names, err := t.cfg.Names(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(t.cfg.Rank(b), t.cfg.Rank(a)), cmp.Compare(a, b))
	})
	saved := time.Now()
	for _, name := range names {
		begin := time.Now()
		t.read(ctx, name)
		if sleep(ctx, pause*time.Since(begin)); ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(saved) < saveEvery {
			continue
		}
		if err := t.save(); err != nil {
			return err
		}
		saved = time.Now()
	}
	return nil
}

// read reads the metadata of the newest version of a crate, unless that is known. An
// unreadable crate has none.
func (t *Texts) read(ctx context.Context, name string) {
	c, err := t.cfg.Mirror.Crate(ctx, name)
	if err != nil {
		return
	}
	newest := c.Newest()
	if sum, ok := t.known(c.Name); ok && sum == newest.Checksum || !newest.Held {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, aboutTime)
	defer cancel()
	p, err := t.cfg.Mirror.About(ctx, newest.Key())
	if err != nil {
		return // the next pass tries it again
	}
	t.put(doc{c.Name, newest.Checksum, textOf(&p)})
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
