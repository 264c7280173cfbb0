package receive

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/carry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer/send"
)

// stateOf writes what a mirror says that it holds, and returns what export is given.
func (w *world) stateOf(file string) func(*send.Config) {
	w.T.Helper()
	var b bytes.Buffer
	_, err := State(w.T.Context(), w.config(), &b)
	must(w.T, err)
	must(w.T, os.WriteFile(file, b.Bytes(), 0o644))
	return func(cfg *send.Config) {
		cfg.Since = send.Since{Name: "far.state", State: func() (io.ReadCloser, error) { return os.Open(file) }}
	}
}

// headOfBundle is the header of the index that a transfer carries.
func headOfBundle(t *testing.T, medium string) carry.Header {
	t.Helper()
	f, err := os.Open(filepath.Join(glob(t, medium), transfer.IndexName))
	must(t, err)
	defer f.Close()
	h, err := carry.ReadHeader(bufio.NewReader(f))
	must(t, err)
	return h
}

// TestSinceStateOfAnother: a mirror that follows the registry by itself, and from a later
// day on, gets the part of the index that came since, keeps the days that it has, and
// takes the next transfers.
func TestSinceStateOfAnother(t *testing.T) {
	dear(t)
	w := newWorld(t)
	w.publish(true, many("a", 3)...)
	w.follow(w.far, true)
	base := headOf(t, w.far)
	since := w.stateOf(filepath.Join(w.dir, "far.state"))
	w.publish(false, many("b", 3)...)
	first := filepath.Join(w.dir, "first")
	w.export(first, since)
	if h := headOfBundle(t, first); len(h.Since) != 1 || h.Since[0] != base || len(h.Days) != 1 {
		t.Errorf("%+v, want one day since %s", h, base)
	}
	if res := w.take(first); !res.Same || len(res.Taken) != 1 {
		t.Errorf("%+v", res)
	}
	w.publish(true, many("c", 3)...)
	second := filepath.Join(w.dir, "second")
	w.export(second, nil)
	if res := w.take(second); !res.Same || len(res.Taken) != 1 {
		t.Errorf("%+v", res)
	}
	near, far := shows(t, w.near), shows(t, w.far)
	if near, far = near[strings.Index(near, "\n"):], far[strings.Index(far, "\n"):]; near != far {
		t.Errorf("near shows%s\nfar%s", near, far)
	}
}

// TestBegunIsGivenUp: a transfer that was begun is resumed if the next run is asked for the
// same, however that is said, and not if a file of the same name says something else.
func TestBegunIsGivenUp(t *testing.T) {
	dear(t)
	w := newWorld(t)
	medium, file := filepath.Join(w.dir, "medium"), filepath.Join(w.dir, "far.state")
	res, _ := w.export(medium, full)
	w.take(medium)
	one := w.stateOf(file)
	w.publish(true, many("a", 3)...)
	w.export(medium, nil)
	w.take(medium)
	w.publish(true, many("b", 3)...)
	begin := func(change func(*send.Config)) {
		t.Helper()
		unplugged := errors.New("unplugged")
		_, err := w.tryExport(medium, func(cfg *send.Config) {
			change(cfg)
			cfg.Out = func() (durable.FS, error) { return nil, unplugged }
		})
		if !errors.Is(err, unplugged) {
			t.Fatal(err)
		}
	}
	begin(one)
	two := w.stateOf(file) // the same name
	if got, err := w.send(medium, two, send.Plan); err != nil || got.Manifest.Base.Number != 2 || got.Crates != 3 {
		t.Errorf("%+v, %v, want what is new since 2", got, err)
	}
	begin(func(cfg *send.Config) { cfg.Since = send.Since{Point: "1"} })
	w.publish(true, many("c", 3)...)
	again, err := w.send(medium, func(cfg *send.Config) { cfg.Since = send.Since{Point: res.Manifest.End.ID()} }, send.Plan)
	if err != nil || again.Crates != 6 {
		t.Errorf("%+v, %v, want what was begun", again, err)
	}
}

// TestPrunedAndFetchedAgain: what both sides have removed is carried when it comes back.
func TestPrunedAndFetchedAgain(t *testing.T) {
	dear(t)
	w := newWorld(t)
	medium := filepath.Join(w.dir, "medium")
	w.publish(false, many("a", 3)...)
	w.export(medium, full)
	w.take(medium)
	id := crate.ID{Name: "a-1", Version: "1.0.0"}
	sum, err := w.Reg.Checksum(id)
	must(t, err)
	key := crate.Key{ID: id, Checksum: sum}
	prune := func(d home.Dirs) {
		m, err := home.Open(t.Context(), homeConfig(d, nil))
		must(t, err)
		must(t, errors.Join(m.Catalog.Commit(t.Context(), catalog.Batch{Dropped: []crate.Key{key}}), m.Close()))
	}
	w.Reg.Remove(id)
	w.publish(true)
	prune(w.near)
	delete(w.held, key)
	w.export(medium, nil)
	w.take(medium)
	prune(w.far)
	w.Reg.Restore(id, sum)
	w.publish(false, simreg.Version{Name: "new", Version: "1.0.0"})
	if res, _ := w.export(medium, nil); res.Crates != 2 {
		t.Errorf("%d crates are carried", res.Crates)
	}
	if res := w.take(medium); !res.Same {
		t.Errorf("%+v", res)
	}
	w.wantSame()
}

// TestRepublishedMeanwhile: at no operation of an import is a line of a version served whose
// bytes are others, when what it brings was published again.
func TestRepublishedMeanwhile(t *testing.T) {
	dear(t)
	w := newWorld(t)
	w.follow(w.near, true)
	medium := filepath.Join(w.dir, "medium")
	w.export(medium, full)
	w.take(medium)
	id := crate.ID{Name: "serde", Version: "1.1.0"}
	old, err := w.Reg.Checksum(id)
	must(t, err)
	w.Reg.Remove(id)
	w.Reg.Restore(id, old)
	w.Reg.ReplaceBytes(id)
	w.day++
	w.Reg.Date(time.Date(2026, 1, w.day, 12, 0, 0, 0, time.UTC))
	w.Commit()
	w.follow(w.near, false)
	if res, _ := w.export(medium, nil); res.Crates != 1 {
		t.Fatalf("%d crates are carried", res.Crates)
	}
	var mu sync.Mutex // operations of several goroutines are looked at
	seen := map[crate.Checksum]int{}
	look := func(at string) {
		t.Helper()
		mu.Lock()
		defer mu.Unlock()
		line, bytes, err := served(t, w.far, id)
		if err != nil || line != bytes {
			t.Errorf("%s: the line has %s, the bytes %s: %v", at, line, bytes, err)
		}
		seen[line]++
	}
	first, step := durabletest.Every(15, nil)
	var n atomic.Int64
	cfg := w.config(medium)
	cfg.Home.Disk = func(fsys durable.FS) durable.FS {
		return durabletest.Hook(fsys, func(op durabletest.Op) durabletest.Fault {
			if int(n.Add(1))%step == first {
				look(op.String())
			}
			return durabletest.Fault{}
		})
	}
	_, err = Run(t.Context(), cfg)
	must(t, err)
	look("the end")
	new, err := w.Reg.Checksum(id)
	if err != nil || seen[new] == 0 || seen[old] == 0 {
		t.Errorf("of %d operations %v were seen, old %s, new %s, %v", n.Load(), seen, old, new, err)
	}
}

// served is the checksum in the line that a mirror shows of a version, and that of the bytes;
// zero: neither.
func served(t *testing.T, d home.Dirs, id crate.ID) (line, bytes crate.Checksum, err error) {
	v, err := reader.Open(t.Context(), reader.Config{Dirs: d, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return line, bytes, err
	}
	defer v.Close()
	c, err := v.Crate(t.Context(), id.Name)
	if err != nil {
		return line, bytes, err
	}
	for _, e := range c.Entries {
		if e.ID != id {
			continue
		}
		f, err := v.Open(t.Context(), id)
		if err != nil {
			return e.Checksum, bytes, err
		}
		defer f.Close()
		bytes, _, err = crate.Hash(f)
		return e.Checksum, bytes, err
	}
	return line, bytes, nil
}
