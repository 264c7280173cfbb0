package pull

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// P11: a crate file that comes after upstream has taken its line back is kept with that
// line, and given again without upstream.
func TestLineTakenBackMeanwhile(t *testing.T) {
	for name, change := range map[string]func(*world){
		"removed":   func(w *world) { w.reg.Remove(foo1) },
		"other":     func(w *world) { w.reg.ReplaceBytes(foo1) },
		"file lost": func(w *world) { w.must(w.disk.Remove(linesPath("foo"))) },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, "foo 1.0.0\nfoo 1.1.0")
			m := w.open()
			wanted, err := m.find(t.Context(), foo1, nil)
			w.must(err)
			data, err := w.reg.CrateBytes(foo1)
			w.must(err)
			data = bytes.Clone(data)
			change(w)
			if name != "file lost" {
				_ = versions(m, "foo")
			}
			file, err := m.store.stage(data)
			w.must(err)
			w.must(m.publish(wanted, file, int64(len(data))))
			m.Close()
			f, err := w.offline().Open(t.Context(), foo1)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if f.Checksum != wanted.line.Checksum {
				t.Errorf("%s is given with %v, want %v", foo1, f.Checksum, wanted.line.Checksum)
			}
		})
	}
}

// What is pulled while the folder is looked through is found by a search at once, and its
// lines are not removed.
func TestPulledDuringALook(t *testing.T) {
	n := newNames()
	n.add("gone", false)
	n.begin()
	n.add("Foo_bar", false)
	n.replace(map[string]string{"old": "old"}, func(name string) bool { return name == "old" })
	if !n.has("foo_bar") || !n.has("old") || n.has("gone") || n.added.Load() != 1 {
		t.Errorf("the names are %v, of which %d are not held", n.shown, n.added.Load())
	}
}

// A 404 is believed when it comes again.
func TestGoneIsAskedTwice(t *testing.T) {
	w := newWorld(t, "foo 1.0.0\nbar 1.0.0")
	m := w.open()
	w.reg.Inject(foo1, simreg.Fault{Kind: simreg.Status, Code: http.StatusNotFound, Times: 1})
	w.reg.Inject(bar1, simreg.Fault{Kind: simreg.Status, Code: http.StatusNotFound, Times: -1})
	if err := w.get(m, foo1); err != nil || w.reg.Requests(foo1) != 2 {
		t.Errorf("foo: %v after %d requests", err, w.reg.Requests(foo1))
	}
	if err := w.get(m, bar1); !errors.Is(err, fs.ErrNotExist) || w.reg.Requests(bar1) != 2 {
		t.Errorf("bar: %v after %d requests", err, w.reg.Requests(bar1))
	}
}

// A probe that ends in a fault of ours does not keep upstream away for a minute.
func TestProbeUndecided(t *testing.T) {
	now := time.Now()
	o := outage{log: slog.New(slog.DiscardHandler)}
	o.failed(now, errors.New("no route to host"))
	now = now.Add(firstPause)
	if away, probe := o.isAway(now); !away || !probe {
		t.Fatalf("a second later: away %v, probe %v", away, probe)
	}
	o.undecided(now)
	if away, probe := o.isAway(now.Add(firstPause)); !away || !probe {
		t.Errorf("a second after a probe that learned nothing: away %v, probe %v", away, probe)
	}
}

// Where config.json says that crate files are is asked again, and kept while that fails.
func TestCratesMove(t *testing.T) {
	var s said
	asked, dl, down := 0, "https://old.example", error(nil)
	config := func(context.Context) (crate.URLTemplate, error) {
		asked++
		return crate.CargoURLTemplate(dl), down
	}
	want := func(where string, times int) {
		t.Helper()
		urls, err := s.urls(t.Context(), config)
		if err != nil || urls.String() != crate.CargoURLTemplate(where).String() || asked != times {
			t.Errorf("crates are at %v, %v, asked %d times; want %s, %d", urls, err, asked, where, times)
		}
	}
	want(dl, 1)
	dl = "https://new.example"
	want("https://old.example", 1)
	s.asked, down = time.Now().Add(-saidFor), errors.New("away")
	want("https://old.example", 2)
	s.asked, down = time.Now().Add(-saidFor), nil
	want("https://new.example", 3)
}

// ownIndex is an index that moves.
type ownIndex struct {
	text       string
	generation uint64
	err        error
}

func (o *ownIndex) Generation() uint64 { return o.generation }

func (o *ownIndex) Named(_ context.Context, name string) (*index.Crate, error) {
	if o.err != nil || name != "foo" {
		return nil, errors.Join(o.err, fs.ErrNotExist)
	}
	return &index.Crate{Entries: parse(name, []byte(o.text), slog.New(slog.DiscardHandler))}, nil
}

// The index that a sync keeps up to date is asked again when it has moved, and no other
// server of lines is asked at all.
func TestOwnIndex(t *testing.T) {
	w := newWorld(t, "foo 1.0.0\nfoo 1.1.0")
	line := func(id crate.ID) string {
		text, err := w.reg.Entry(id)
		w.must(err)
		return string(text) + "\n"
	}
	cfg, closed := w.config()
	own := &ownIndex{text: line(foo1), generation: 1}
	cfg.Index, cfg.MaxAge = &Own{own}, time.Hour
	m := w.start(cfg, closed)
	if got := versions(m, "foo"); got != "1.0.0" {
		t.Errorf("foo is %q", got)
	}
	w.must(w.get(m, foo1))
	own.text += line(foo2)
	own.generation++
	if got := versions(m, "foo"); got != "1.0.0 1.1.0" {
		t.Errorf("foo is %q after the index has moved", got)
	}
	w.must(w.get(m, foo2))
	if n := w.reg.IndexRequests(); n != 0 {
		t.Errorf("%d requests for lines, want none", n)
	}
}
