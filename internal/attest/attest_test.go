package attest

import (
	"errors"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/tilelog"
)

func open(t testing.TB, disk durable.Reader) *tilelog.Log {
	t.Helper()
	l, err := tilelog.Open(disk)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

var (
	a1, a2 = keyOf("a", "1.9.0", ""), keyOf("a", "1.10.0", "") // the order of lines is not the order of names
	serde  = keyOf("serde", "1.0.0", "")
	tokio  = keyOf("tokio", "1.0.0", "")
)

// The first statement has every version in the order of the index, later ones add what is
// new; the log is append-only.
func TestStatements(t *testing.T) {
	w := newWorld(t)
	w.lists(serde, a1, a2)
	w.holds(serde, a1, a2)
	r := w.attest()
	if r.New != 3 || r.Held != 3 || r.Named != 3 || r.N != 3 || r.Commit != w.ix.Commit() {
		t.Errorf("%+v, %+v", r, r.Statement)
	}
	if got := w.log(w.disk); got != "a 1.9.0, a 1.10.0, serde 1.0.0" {
		t.Errorf("log: %s", got)
	}
	first := open(t, w.disk).Checkpoint

	w.ix.read = nil
	if r = w.attest(); r.New != 0 || r.Held != 3 || len(w.ix.read) > 0 {
		t.Errorf("nothing is new: %d leaves, %d held, and %q were read", r.New, r.Held, w.ix.read)
	}

	again := keyOf("serde", "1.0.0", "other bytes") // published again
	a3 := keyOf("a", "2.0.0", "")
	w.lists(again, a1, a2, a3, tokio)
	w.holds(again, a1, a2, a3, tokio)
	w.ix.read = nil
	if r = w.attest(); r.New != 3 || r.Held != 5 || r.N != 6 || !slices.Equal(w.ix.read, []string{"1/a", "se/rd/serde", "to/ki/tokio"}) {
		t.Errorf("%+v, read %q", r, w.ix.read)
	}
	if got := w.log(w.disk); got != "a 1.9.0, a 1.10.0, serde 1.0.0, a 2.0.0, serde 1.0.0, tokio 1.0.0" {
		t.Errorf("log: %s", got)
	}
	p, err := ProveSince(w.disk, first)
	if err != nil {
		t.Fatal(err)
	}
	if old, later, err := p.Check(w.config(nil).Verify); err != nil || old.N != 3 || later.N != 6 {
		t.Errorf("consistency: %v, %v, %v", old, later, err)
	}
	proof, others, err := Prove(t.Context(), w.disk, serde.ID, nil)
	if err != nil || proof.Key != again || len(others) != 1 || others[0] != serde.Checksum {
		t.Errorf("proof of serde: %+v, others %v, %v", proof, others, err)
	}
	if proof, _, err = Prove(t.Context(), w.disk, serde.ID, &serde.Checksum); err != nil || proof.Index != 2 {
		t.Errorf("proof of the earlier bytes: %+v, %v", proof, err)
	}
	if s, err := proof.Check(w.config(nil).Verify); err != nil || !s.Complete() {
		t.Errorf("proof: %+v, %v", s, err)
	}
	if _, _, err = Prove(t.Context(), w.disk, crate.ID{Name: "a", Version: "9.0.0"}, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("proof of nothing: %v", err)
	}
}

// A removed version keeps its leaf, and gets another one when it is stored again.
func TestThrownAwayAndBack(t *testing.T) {
	w := newWorld(t)
	w.lists(a1, serde)
	w.holds(a1, serde)
	w.attest()
	if err := w.catalog.Commit(t.Context(), catalog.Batch{Dropped: []crate.Key{serde}}); err != nil {
		t.Fatal(err)
	}
	w.partial = true
	if r := w.attest(); r.Held != 1 || r.Named != 2 || r.N != 2 {
		t.Errorf("thrown away: %+v", r)
	}
	if p, _, err := Prove(t.Context(), w.disk, serde.ID, nil); err != nil || p.Index != 1 {
		t.Errorf("the leaf of what was thrown away: %+v, %v", p, err)
	}
	w.holds(serde)
	if r := w.attest(); r.Held != 2 || r.New != 1 || r.N != 3 {
		t.Errorf("back: %+v", r)
	}
}

// Versions that are not held, verified and in the index with that checksum are not stated,
// and without -partial nothing is.
func TestIncomplete(t *testing.T) {
	for name, change := range map[string]func(w *world, v *catalog.Version){
		"no row":       nil,
		"not verified": func(_ *world, v *catalog.Version) { v.VerifiedAt, v.Listed = time.Time{}, false },
		"superseded":   func(w *world, v *catalog.Version) { v.SupersededAt = w.now },
		"other bytes":  func(_ *world, v *catalog.Version) { v.Checksum = crate.Checksum{1} },
		"nowhere":      func(_ *world, v *catalog.Version) { v.Loose = false },
	} {
		w := newWorld(t)
		w.lists(a1, serde)
		w.holds(a1)
		if change != nil {
			v := catalog.Version{ID: serde.ID, Checksum: serde.Checksum, Size: 1, Listed: true, VerifiedAt: w.now}
			v.Loose = true
			change(w, &v)
			if err := w.catalog.Commit(t.Context(), catalog.Batch{Versions: []catalog.Version{v}}); err != nil {
				t.Fatal(err)
			}
		}
		_, err := Run(t.Context(), w.config(w.disk))
		var lacking *IncompleteError
		if !errors.As(err, &lacking) || lacking.Held != 1 || lacking.Named != 2 || !slices.Equal(lacking.Missing, []crate.ID{serde.ID}) {
			t.Errorf("%s: %v, %+v", name, err, lacking)
		}
		if entries, err := w.disk.ReadDir("."); err != nil || len(entries) > 0 {
			t.Errorf("%s: %v is written, %v", name, entries, err)
		}
		w.partial = true
		if r := w.attest(); r.Held != 1 || r.Named != 2 || r.New != 1 || w.log(w.disk) != "a 1.9.0" {
			t.Errorf("%s: in part: %+v", name, r)
		}
	}
}

// A line that cannot be parsed is a version that is not held.
func TestBadLine(t *testing.T) {
	w := newWorld(t)
	w.lists(a1)
	w.ix.bad["1/a"] = []*index.LineError{{Path: "1/a", Line: 2, Err: errors.New("bad")}}
	w.partial = true
	if err := w.catalog.Commit(t.Context(), catalog.Batch{Crates: []catalog.Crate{{Path: "1/a"}}}); err != nil {
		t.Fatal(err)
	}
	w.holds(a1)
	if err := w.catalog.Commit(t.Context(), catalog.Batch{Crates: []catalog.Crate{{Path: "1/a", Blob: "other"}}}); err != nil {
		t.Fatal(err)
	}
	if r := w.attest(); r.Held != 1 || r.Named != 2 {
		t.Errorf("%+v", r)
	}
}

// The log is the truth about itself: a catalog that was lost or is older learns from it,
// and no leaf is added twice.
func TestCatalogIsBehind(t *testing.T) {
	w := newWorld(t)
	w.lists(a1, a2, serde)
	w.holds(a1, a2, serde)
	w.attest()
	if err := w.catalog.ForgetLeaves(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := w.attest(); r.New != 0 || r.N != 3 {
		t.Errorf("forgotten: %+v", r)
	}
	w.path += "-new"
	w.open()
	w.holds(a1, a2, serde)
	if r := w.attest(); r.New != 0 || r.N != 3 {
		t.Errorf("lost: %+v", r)
	}
	// Another log: the catalog believes that it has recorded the same leaves of it.
	other := newWorld(t)
	other.lists(tokio, serde, a2)
	other.holds(tokio, serde, a2)
	other.attest()
	w.disk = other.disk
	if r := w.attest(); r.New != 1 || r.N != 4 || w.log(w.disk) != "a 1.10.0, serde 1.0.0, tokio 1.0.0, a 1.9.0" {
		t.Errorf("another log: %+v, %s", r, w.log(w.disk))
	}
}

// A log continues under its name, with its key, and its time never goes backwards.
func TestWrongLog(t *testing.T) {
	w := newWorld(t)
	w.lists(a1)
	w.holds(a1)
	w.attest()
	last := open(t, w.disk).Checkpoint
	refuse := func(what, want string, change func(*Config)) {
		t.Helper()
		cfg := w.config(w.disk)
		change(&cfg)
		if _, err := Run(t.Context(), cfg); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", what, err, want)
		}
		if got := open(t, w.disk).Checkpoint; string(got) != string(last) {
			t.Errorf("%s: another checkpoint is published", what)
		}
	}
	refuse("another name", `the log is of "mirror.example", the key or -origin says "other"`, func(cfg *Config) { cfg.Origin = "other" })
	refuse("a clock that is behind", "set the clock", func(cfg *Config) { cfg.Now = func() time.Time { return time.Unix(1_700_000_000, 0) } })
	refuse("a signature that is wrong", "checking the signature before it is published", func(cfg *Config) {
		cfg.Sign = func(text string) ([]byte, error) { return []byte(text + "\n— a AAAA\n"), nil }
	})
	refuse("no commit", "the index is a plain folder", func(cfg *Config) { cfg.Index = plain{w.ix} })
	refuse("a disk that fails", "making the mirror durable: full", func(cfg *Config) { cfg.Sync = func() error { return errors.New("full") } })
	w.key = newKey()
	refuse("another key", "the last checkpoint of the log", func(cfg *Config) {})
}

type plain struct{ *fakeIndex }

func (plain) Commit() string { return "" }

// Another key continues the log only on request.
func TestNewKey(t *testing.T) {
	w := newWorld(t)
	w.lists(a1)
	w.holds(a1)
	w.attest()
	w.key = newKey()
	w.newKeys = true
	w.attest()
	w.newKeys = false
	if r := w.attest(); r.N != 1 {
		t.Errorf("%+v", r)
	}
}
