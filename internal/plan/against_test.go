package plan_test

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// interrupted is a source whose crates are read while another run mirrors.
type interrupted struct {
	plan.Source
	somebody func()
}

func (s interrupted) Groups(ctx context.Context, want plan.Want, yield func(*plan.Group) error) error {
	return s.Source.Groups(ctx, want, func(g *plan.Group) error {
		err := yield(g)
		s.somebody()
		return err
	})
}

// C21: a plan beside a sync that begins and ends meanwhile is that of the mirror
// as it is then, not of a catalog half read before and half after.
func TestC21PlanBesideASync(t *testing.T) {
	d := home.Dirs{Crates: t.TempDir(), Bundles: filepath.Join(t.TempDir(), "none")}
	folder, err := durable.Create(d.State())
	if err != nil {
		t.Fatal(err)
	}
	folder.Close()
	foo, bar := crate.ID{Name: "foo", Version: "1.0.0"}, crate.ID{Name: "bar", Version: "1.0.0"}
	commit := func(versions ...catalog.Version) {
		cat, err := catalog.Open(d.Catalog())
		if err == nil {
			err = cat.Commit(t.Context(), catalog.Batch{Versions: versions, Revision: &catalog.Revision{Commit: "c", Time: time.Unix(1, 0)}})
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := cat.Close(); err != nil {
			t.Fatal(err)
		}
	}
	commit()
	// What is pinned to another checksum is a conflict: the catalog alone says so.
	pinned := func(id crate.ID) catalog.Version {
		return catalog.Version{ID: id, Checksum: crate.Checksum{1}, Size: 1, Placement: store.Placement{Loose: true}, Listed: true, VerifiedAt: time.Unix(1, 0)}
	}
	crates := 0
	list := plan.FromList([]plan.Item{{ID: foo, Checksum: crate.Checksum{2}}, {ID: bar, Checksum: crate.Checksum{2}}}, nil)
	source := interrupted{list, func() {
		if crates++; crates == 1 {
			commit(pinned(foo), pinned(bar))
		}
	}}
	totals, err := plan.Against(t.Context(), &d, plan.Config{Source: source, Log: slog.New(slog.DiscardHandler)}, nil)
	if err != nil || totals.Conflicts != 2 || totals.Versions != 2 {
		t.Errorf("plan %+v, %v", totals, err)
	}
}
