package reader

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/prune"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/bundled"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// E17: while bundles are rewritten and removed, every wanted version is served, and
// nothing is reported as damaged.
func TestE17ReadWhileBundlesAreWrittenAgain(t *testing.T) {
	var text strings.Builder
	for n := range 40 {
		fmt.Fprintf(&text, "crate%02d 1.0.0\n", n)
	}
	w := newWorld(t, text.String())
	w.run(how{bundle: true, target: 6000})
	var told logBuffer
	v := w.view(func(c *Config) { c.Log = told.logger() })
	var wanted []crate.ID
	for n := range 40 {
		id := crate.ID{Name: fmt.Sprintf("crate%02d", n), Version: "1.0.0"}
		w.wantRead(v, id.Name, id.Version) // its bundle is open then
		if n%4 == 0 {
			w.reg.Remove(id)
			continue
		}
		wanted = append(wanted, id)
	}
	w.commitIndex()
	w.run(how{bundle: true, target: 6000, change: func(c *mirror.Config) { c.AcceptShrink = true }})
	ctx, stop := context.WithCancel(t.Context())
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for ctx.Err() == nil {
				for _, id := range wanted {
					w.wantRead(v, id.Name, id.Version)
				}
			}
		})
	}
	p := w.pruneBundles()
	for _, id := range wanted {
		w.wantRead(v, id.Name, id.Version)
	}
	stop()
	readers.Wait()
	if len(p.Rewritten) < 3 || p.Versions < 8 {
		t.Errorf("pruned: %+v", p)
	}
	if log := told.String(); strings.Contains(log, "level=ERROR") {
		t.Errorf("the log has:\n%s", log)
	}
	if _, err := read(t, v, crate.ID{Name: "crate00", Version: "1.0.0"}); err == nil {
		t.Error("what was thrown away is given out still")
	}
}

func (w *world) pruneBundles() prune.Pruned {
	w.t.Helper()
	ctx := w.t.Context()
	check := func(err error) {
		if err != nil {
			w.t.Fatal(err)
		}
	}
	out, err := durable.Open(w.out())
	check(err)
	defer out.Close()
	folder, err := durable.Open(w.bundles())
	check(err)
	defer folder.Close()
	cat, err := catalog.Open(w.catalogPath())
	check(err)
	defer cat.Close()
	ix, err := index.Open(ctx, w.index, index.Options{})
	check(err)
	defer ix.Close()
	l, err := loose.Open(out, loose.None)
	check(err)
	s, err := bundled.Open(ctx, bundled.Config{Folder: folder, Loose: l, Catalog: adopter{cat}, Target: 6000,
		URL: func(id crate.ID, _ crate.Checksum) string { return id.URLPath() }})
	check(err)
	defer s.Close()
	p, err := prune.Run(ctx, prune.Config{Index: ix, Catalog: cat, Trash: l.Trash, AcceptShrink: true, Log: slog.New(slog.DiscardHandler),
		Bundles: &prune.Bundles{Folder: folder, Store: s, MinShare: 0.1}}, func(*catalog.Version) {})
	check(err)
	return p
}
