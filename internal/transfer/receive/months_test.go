package receive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer/send"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// TestMonths: months of a registry are generated, in which versions are published, yanked,
// deleted and published again, and the history of the index is squashed. Near follows, and
// what is new is carried each month, or after some; by a medium that is lost, by two, or by
// volumes in any order. Then far is what near is: the index with its days, the rows of the
// catalog, and the bytes; and serves what a mirror does that is made on that day.
func TestMonths(t *testing.T) {
	dear(t)
	seed, n := rand.Uint64(), 1
	if *durabletest.Thorough {
		n = 20
	}
	t.Logf("seed %d", seed)
	m := months{world: newWorld(t), rnd: rand.New(rand.NewPCG(seed, 0)), taken: "1"}
	m.follow(m.near, true)
	medium := filepath.Join(m.dir, "medium")
	m.export(medium, full)
	m.take(medium)
	for month := range n {
		m.month()
		if month < n-1 && m.chance(4) {
			continue // no volume is carried
		}
		if m.chance(4) { // this medium does not arrive
			m.export(filepath.Join(m.dir, fmt.Sprint("lost ", month)), nil)
			m.month()
		}
		m.carry(fmt.Sprint("month ", month))
		if month == n-1 || *durabletest.Thorough {
			m.compare(month)
		}
		if t.Failed() {
			t.Fatalf("month %d", month)
		}
	}
}

type months struct {
	*world
	rnd   *rand.Rand
	taken string // point at which far is
	names int    // of crates, so far
}

func (m *months) chance(of int) bool { return m.rnd.IntN(of) == 0 }

// month is one of the registry; near follows on some of its days.
func (m *months) month() {
	for range 1 + m.rnd.IntN(3) {
		m.day += 1 + m.rnd.IntN(10)
		m.Reg.Date(time.Date(2026, 1, m.day, 12, 0, 0, 0, time.UTC))
		for range 1 + m.rnd.IntN(6) {
			m.happen()
		}
		if m.chance(6) {
			m.Squash()
		} else {
			m.Commit()
		}
		if m.chance(2) {
			m.follow(m.near, m.chance(2))
		}
	}
	m.follow(m.near, m.chance(2))
	if m.chance(6) {
		m.repack()
	}
}

// happen does something to the registry.
func (m *months) happen() {
	all, gone := m.Reg.IDs(), m.Reg.Gone()
	some := all[m.rnd.IntN(len(all))]
	switch m.rnd.IntN(6) {
	default:
		m.names++
		m.Reg.Add(many(fmt.Sprint("crate-", m.names), 1+m.rnd.IntN(8))...)
	case 0:
		m.Reg.Add(simreg.Version{Name: some.Name, Version: fmt.Sprintf("2.%d.0", m.names)})
		m.names++
	case 1:
		m.Reg.Yank(some, m.chance(2))
	case 2:
		m.Reg.Remove(some)
	case 3:
		if len(gone) == 0 {
			return
		}
		again := gone[m.rnd.IntN(len(gone))]
		past := m.Reg.Past(again)
		m.Reg.Restore(again, past[m.rnd.IntN(len(past))])
		if m.chance(2) {
			m.Reg.ReplaceBytes(again)
		}
	}
}

// carry carries what is new to far.
func (m *months) carry(name string) {
	m.T.Helper()
	medium := filepath.Join(m.dir, name)
	res, volumes := m.export(medium, func(cfg *send.Config) {
		cfg.Since = send.Since{Point: m.taken}
		switch m.rnd.IntN(3) {
		case 0:
			small(cfg)
		case 1:
			cfg.Volume, cfg.Parity = 600<<10, 10
		}
	})
	if res.Nothing {
		return
	}
	m.taken = res.Manifest.End.ID()
	m.rnd.Shuffle(len(volumes), func(i, k int) { volumes[i], volumes[k] = volumes[k], volumes[i] })
	if m.chance(2) { // one after the other
		for _, v := range volumes[:len(volumes)-1] {
			if _, err := Run(m.T.Context(), m.config(v)); !errors.As(err, new(*MissingError)) {
				m.T.Fatalf("%s alone: %v", v, err)
			}
		}
		volumes = volumes[len(volumes)-1:]
	}
	if res := m.take(volumes...); len(res.Taken) != 1 || res.Lacking != 0 {
		m.T.Errorf("%s: %+v", name, res)
	}
}

// compare compares far with near, and what it serves with a mirror that is made now.
func (m *months) compare(month int) {
	m.T.Helper()
	m.wantSame()
	if diff := cmp.Diff(rows(m.T, m.near), rows(m.T, m.far)); diff != "" {
		m.T.Errorf("month %d: rows (-near +far):\n%s", month, diff)
	}
	fresh := dirsIn(m.dir, fmt.Sprint("fresh ", month))
	m.follow(fresh, true)
	for _, what := range []string{"HEAD", "HEAD^{tree}"} {
		if far, fresh := indextest.Git(m.T, m.far.Index, "rev-parse", what), indextest.Git(m.T, fresh.Index, "rev-parse", what); far != fresh {
			m.T.Errorf("month %d: %s is %s, in a mirror that was made now %s", month, what, far, fresh)
		}
	}
	_, far, _ := strings.Cut(shows(m.T, m.far), "\n")
	_, now, _ := strings.Cut(shows(m.T, fresh), "\n")
	if diff := cmp.Diff(now, far); diff != "" {
		m.T.Errorf("month %d (-mirror that was made now +far):\n%s", month, diff)
	}
	must(m.T, os.RemoveAll(fresh.Root))
}

// rows are what a catalog says of the versions, but for where they are stored and when it
// learnt of them; and whether a version was yanked before it was deleted, which only a
// mirror that looked in between has seen.
func rows(t *testing.T, d home.Dirs) (list []string) {
	t.Helper()
	r, err := home.OpenReader(t.Context(), &d)
	must(t, err)
	defer r.Close()
	last := crate.ID{}
	for {
		page, err := r.Catalog.Page(t.Context(), last, 1000)
		must(t, err)
		if len(page) == 0 {
			break
		}
		for _, v := range page {
			list = append(list, fmt.Sprint(v.ID, v.Checksum, v.Size, v.Listed, v.Listed && v.Yanked, v.SupersededAt.IsZero()))
			last = v.ID
		}
	}
	must(t, r.Catalog.Read(t.Context(), func(c *catalog.Catalog) error {
		for r, err := range c.Removed(t.Context(), true) {
			must(t, err)
			list = append(list, fmt.Sprint("removed", r.Key)) // what of it was gone first, only who looked often has seen
		}
		return nil
	}))
	return list
}

// follow makes a mirror what the registry is, as sync does.
func (w *world) follow(d home.Dirs, bundled bool) {
	w.T.Helper()
	ctx := w.T.Context()
	_, err := clone.Update(ctx, clone.Config{Dir: d.Index, URL: w.Git, AcceptShrink: true})
	must(w.T, err)
	m, err := home.Open(ctx, homeConfig(d, func(cfg *home.Config) { cfg.Bundles.Write = bundled }))
	must(w.T, err)
	ix, err := d.OpenIndex(ctx, slog.New(slog.DiscardHandler))
	must(w.T, err)
	job := mirror.Config{
		Config: plan.Config{Source: plan.FromIndex(ix, nil), IncludeYanked: true, AcceptShrink: true, AcceptRepublished: plan.AcceptAlways},
		Store:  m.Store, Catalog: m.Catalog, Manifest: m.Manifest, State: m.State, Disks: m.Disks(),
		Out: d.Crates, BundlesOut: d.Bundles, Fetch: shop{w.Reg},
	}
	_, err = mirror.Run(ctx, job)
	must(w.T, errors.Join(err, ix.Close(), m.Close()))
}

// shop is where follow gets crates.
type shop struct{ *simreg.Registry }

// Fetch implements mirror.Fetcher.
func (s shop) Fetch(_ context.Context, req upstream.Request) (*upstream.Body, upstream.Stats, error) {
	data, err := s.CrateBytes(req.ID)
	if err != nil {
		return nil, upstream.Stats{}, err
	}
	return &upstream.Body{Data: data, Size: int64(len(data))}, upstream.Stats{}, nil
}
