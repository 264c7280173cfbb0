package plan

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// shelf is a store in which one loose file may stand, and a bundle.
type shelf struct{ file, bundle bool }

func (s shelf) Stat(crate.ID) (int64, error) {
	if !s.file {
		return 0, fs.ErrNotExist
	}
	return 1, nil
}

func (s shelf) Holds(_ crate.ID, at store.Placement, _ int64) bool {
	return (s.file || !at.Loose) && (s.bundle || at.Bundle == "")
}

var (
	sumNow, sumOld = crate.Checksum{1}, crate.Checksum{2}
	loose          = store.Placement{Loose: true}
	bundled        = store.Placement{Bundle: "bundle-0000.tar.zst", FrameSize: 9}
	earlier        = store.Placement{Loose: true, Republished: sumNow.FileKey()}
)

// row is a row of foo 1.0.0.
func row(sum crate.Checksum, at store.Placement, change ...func(*catalog.Version)) *heldVersion {
	v := &heldVersion{Version: catalog.Version{ID: foo1, Checksum: sum, Size: 1, Placement: at, Listed: true, VerifiedAt: time.Unix(1, 0)}}
	for _, c := range change {
		c(&v.Version)
	}
	return v
}

func superseded(v *catalog.Version) { v.SupersededAt, v.Listed = time.Unix(2, 0), false }

func unverified(v *catalog.Version) { v.VerifiedAt, v.Listed = time.Time{}, false }

func otherCase(v *catalog.Version) { v.ID.Name = "Foo" }

// Each state of catalog and store has its decision: entries name sumNow.
func TestDecide(t *testing.T) {
	check, always := Config{VerifyExisting: true}, Config{AcceptRepublished: AcceptAlways}
	only, heldOnly := Config{Bundle: true}, Config{HeldOnly: true}
	one := func(v *heldVersion) []*heldVersion { return []*heldVersion{v} }
	for _, tt := range []struct {
		name string
		cfg  Config
		rows []*heldVersion
		on   shelf
		do   Task
		at   store.Placement
	}{
		{"nothing anywhere", Config{}, nil, shelf{}, Fetch, store.Placement{}},
		{"a file that no row knows", Config{}, nil, shelf{file: true}, Check, loose},
		{"stored loose", Config{}, one(row(sumNow, loose)), shelf{file: true}, Trust, loose},
		{"the file is gone", Config{}, one(row(sumNow, loose)), shelf{}, Fetch, store.Placement{}},
		{"stored in a bundle", Config{}, one(row(sumNow, bundled)), shelf{bundle: true}, Trust, bundled},
		{"the bundle is gone", Config{}, one(row(sumNow, bundled)), shelf{}, Fetch, store.Placement{}},
		{"in a bundle, beside a file that no row knows", Config{}, one(row(sumNow, bundled)), shelf{true, true}, Check, both(bundled)},
		{"to be hashed again", check, one(row(sumNow, loose)), shelf{file: true}, Check, loose},
		{"loose, to be bundled", only, one(row(sumNow, loose)), shelf{file: true}, Check, loose},
		{"bundled and loose, until the run ends", only, one(row(sumNow, both(bundled))), shelf{true, true}, Trust, both(bundled)},
		{"bundled, to be loose as well", Config{Bundle: true, KeepLoose: true}, one(row(sumNow, bundled)), shelf{bundle: true}, Check, bundled},
		{"of a bundle, never compared", Config{}, one(row(sumNow, bundled, unverified)), shelf{bundle: true}, Trust, bundled},
		{"another spelling of the name", Config{}, one(row(sumNow, loose, otherCase)), shelf{}, Fetch, store.Placement{}},
		{"other bytes, verified", Config{}, one(row(sumOld, loose)), shelf{file: true}, Conflict, store.Placement{}},
		{"other bytes, accepted", always, one(row(sumOld, loose)), shelf{file: true}, Replace, store.Placement{}},
		{"other bytes, of a bundle", Config{}, one(row(sumOld, bundled, unverified)), shelf{bundle: true}, Fetch, store.Placement{}},
		{"two bundles, two bytes", Config{}, []*heldVersion{row(sumOld, bundled, unverified), row(sumNow, bundled, unverified)}, shelf{bundle: true}, Trust, bundled},
		{"other bytes, and these from before", Config{}, []*heldVersion{row(sumOld, loose), row(sumNow, earlier, superseded)}, shelf{file: true}, Conflict, earlier},
		{"these from before, accepted again", always, []*heldVersion{row(sumOld, loose), row(sumNow, earlier, superseded)}, shelf{file: true}, Replace, earlier},
		{"these from before alone", Config{}, one(row(sumNow, bundled, superseded)), shelf{bundle: true}, Replace, bundled},
		{"nothing, and nothing is fetched", heldOnly, nil, shelf{}, absent, store.Placement{}},
		{"accepted, and nothing is fetched", Config{HeldOnly: true, AcceptRepublished: AcceptAlways}, one(row(sumOld, loose)), shelf{file: true}, absent, store.Placement{}},
		{"a conflict, and nothing is fetched", heldOnly, one(row(sumOld, loose)), shelf{file: true}, Conflict, store.Placement{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.cfg.Log = slog.New(slog.DiscardHandler)
			p := &planner{cfg: &tt.cfg, catalog: emptyCatalog{}, listing: tt.on, sink: Forgetful{}}
			held := holdings{}
			for _, v := range tt.rows {
				held.add(v)
			}
			e := &Item{ID: foo1, Checksum: sumNow}
			todo, err := p.decide(context.Background(), &Group{Whole: true}, e, held.of(foo1), new(Changes))
			if p.totals.Absent > 0 {
				e.Task = absent
			}
			if err != nil || e.Task != tt.do || e.At != tt.at || todo != (tt.do != Trust && tt.do != absent) {
				t.Errorf("task %d at %+v, todo %t, %v; want %d at %+v", e.Task, e.At, todo, err, tt.do, tt.at)
			}
			do := e.Task
			if (p.totals.Versions == 1) != (do != absent) || (p.totals.Held == 1) != (do == Trust) {
				t.Errorf("counted %+v", p.totals)
			}
		})
	}
}

// absent is what a test calls an entry that is left out.
const absent Task = 99

func both(at store.Placement) store.Placement { at.Loose = true; return at }

// An error of the catalog is no decision.
func TestDecideFails(t *testing.T) {
	broken := errors.New("broken")
	p := &planner{cfg: &Config{}, catalog: failing{err: broken}, listing: shelf{}, sink: Forgetful{}}
	e := &Item{ID: foo1, Checksum: sumNow}
	todo, err := p.decide(context.Background(), &Group{}, e, &heldBytes{now: row(sumOld, loose)}, new(Changes))
	if todo || !errors.Is(err, broken) {
		t.Errorf("%+v, %v", e, err)
	}
}

// failing is a catalog that cannot say what was accepted.
type failing struct {
	emptyCatalog
	err error
}

func (f failing) Accepted(context.Context, crate.Key) (bool, error) { return false, f.err }
