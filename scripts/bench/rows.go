//go:build linux

package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/scripts/internal/turns"
)

// The processor time of a run relative to curl's, with -smoke: such a short run spends a third
// of it on starting.
const seenLoose, seenBundled = 1.60, 1.50

// besideCurl measures this program and curl by turns, and prints the results.
func (b *bencher) besideCurl() error {
	if err := b.prepare(); err != nil {
		return err
	}
	stop, err := b.startServer()
	if err != nil {
		return err
	}
	defer stop()
	first, err := b.stage(0)
	if err != nil {
		return err
	}
	rows := []*turns.Row{b.everything(first)}
	guarded := *smoke || *trial
	if !b.far() && !guarded {
		rows = append(rows, b.nothingNew(first), b.more())
	}
	for _, r := range rows {
		if err := r.Measure(b.dir, *rounds); err != nil {
			return err
		}
	}
	turns.Table(os.Stdout, rows)
	if guarded {
		return turns.Guard(os.Stdout, rows, b.dir, *rounds, *trial)
	}
	return nil
}

func (b *bencher) far() bool { return *latency > 0 || *rate > 0 }

// everything returns the row that downloads everything into an empty folder.
func (b *bencher) everything(s stage) *turns.Row {
	row := &turns.Row{Name: fmt.Sprintf("%d versions", s.versions), Per: s.versions, Ways: b.curls(s)}
	for _, w := range row.Ways {
		w.Prepare = func() error { return os.RemoveAll(b.path("curl")) }
	}
	for _, kind := range []string{loose, bundled} {
		w := &turns.Way{Name: kind, Run: b.mirror(kind, s), Seen: seenLoose}
		if kind == bundled {
			w.Seen = seenBundled
		}
		w.Prepare = func() error { return os.RemoveAll(b.path(kind)) }
		row.Ways = append(row.Ways, w)
	}
	return row
}

// curls returns one way, or, from afar, one for each number of connections: the best of them
// is what an adaptive limit could have found.
func (b *bencher) curls(s stage) (ways []*turns.Way) {
	connections := []int{128}
	if b.far() {
		connections = []int{128, 32, 64, 256}
	}
	for _, n := range connections {
		ways = append(ways, &turns.Way{Name: fmt.Sprintf("curl, %d at a time", n), Run: turns.Command(
			"curl", "--silent", "--fail", "--parallel", "--parallel-max", strconv.Itoa(n), "--create-dirs", "--config", s.list)})
	}
	return ways
}

// nothingNew returns the row in which there is nothing to download.
func (b *bencher) nothingNew(s stage) *turns.Row {
	return &turns.Row{Name: "nothing new", Per: s.versions, Ways: []*turns.Way{
		{Name: "cat of the index", Run: turns.Shell(`find "$1" -type f -print0 | xargs -0 -P2 -n 2000 cat >/dev/null`, s.index)},
		{Name: loose, Run: b.mirror(loose, s)},
		{Name: bundled, Run: b.mirror(bundled, s)},
	}}
}

// more returns the row with one version in a hundred more, a new one each time.
func (b *bencher) more() *turns.Row {
	row := &turns.Row{Name: "1 % more", Per: b.n / 100}
	next := func(name string, of func(stage) func(*turns.Cost) error) {
		at := 0
		w := &turns.Way{Name: name}
		var s stage
		w.Prepare = func() (err error) { at++; s, err = b.stage(at); return err }
		w.Run = func(c *turns.Cost) error { return of(s)(c) }
		row.Ways = append(row.Ways, w)
	}
	next("curl, of these alone", func(s stage) func(*turns.Cost) error { return b.curls(s)[0].Run })
	next(loose, func(s stage) func(*turns.Cost) error { return b.mirror(loose, s) })
	next(bundled, func(s stage) func(*turns.Cost) error { return b.mirror(bundled, s) })
	return row
}

// The kinds of mirrors.
const loose, bundled = "loose files", "bundles"

func (b *bencher) mirror(kind string, s stage) func(*turns.Cost) error {
	args := []string{"download", "-index-dir", s.index, "-out", b.path(kind + "/out"), "-bundles-out", b.path(kind + "/bundles"),
		"-manifest", b.path(kind + "/out/manifest.jsonl"), "-crates-base-url", b.base, "-include-yanked", "-listen", "", "-log-level", "warn"}
	if kind == bundled {
		args = append(args, "-bundle")
	}
	return turns.Command(b.program, append(args, strings.Fields(*extra)...)...)
}
