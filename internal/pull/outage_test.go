package pull

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/sparse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// P9: a crate file that upstream cannot give whole is its own trouble: however often it is
// asked for, the others come.
func TestOneBadFile(t *testing.T) {
	for _, kind := range []simreg.Kind{simreg.Truncate, simreg.Endless, simreg.StallBody} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, "foo 1.0.0\nbar 1.0.0")
			w.up.MaxSize = 1 << 20
			m := w.open()
			w.reg.Inject(foo1, simreg.Fault{Kind: kind, Times: -1})
			for range 5 {
				if w.get(m, foo1) == nil {
					t.Fatal("foo was given")
				}
			}
			if err := w.get(m, bar1); err != nil {
				t.Errorf("bar after foo: %v", err)
			}
			if away, _ := m.outage.state(); away {
				t.Error("upstream counts as away")
			}
		})
	}
}

// However many fetches were under way when upstream went, it is tried again after a second,
// and only tries that fail make the pause longer.
func TestManyFailAtOnce(t *testing.T) {
	o := outage{log: slog.New(slog.DiscardHandler)}
	now := time.Now()
	for range 128 {
		if !o.failed(now, errors.New("refused")) {
			t.Fatal("upstream is not away")
		}
	}
	for _, pause := range []time.Duration{time.Second, 2 * time.Second, 4 * time.Second} {
		if _, probe := o.isAway(now.Add(pause - 1)); probe {
			t.Errorf("it is tried before %v", pause)
		}
		now = now.Add(pause)
		if _, probe := o.isAway(now); !probe {
			t.Errorf("after %v it is not tried", pause)
		}
		o.failed(now, errors.New("refused"))
		o.failed(now, errors.New("refused")) // of before
	}
	o.worked()
	if away, _ := o.state(); away {
		t.Error("it is away when it has answered")
	}
}

// slowIndex answers when it is released.
type slowIndex struct {
	Index
	goOn chan struct{}
}

func (s slowIndex) Get(ctx context.Context, name string, have sparse.Validator) (sparse.File, error) {
	select {
	case <-s.goOn:
	case <-ctx.Done():
		return sparse.File{}, ctx.Err()
	}
	return s.Index.Get(ctx, name, have)
}

// P10: an upstream that is slow, or busy with crate files, does not delay a crate that is
// stored here; its answer is used when it comes.
func TestSlowUpstream(t *testing.T) {
	w := newWorld(t, "foo 1.0.0\nfoo 1.1.0")
	w.behind.hold(foo1)
	cfg, closed := w.config()
	slow := slowIndex{cfg.Index, make(chan struct{})}
	cfg.Index = slow
	m := w.start(cfg, closed)
	m.patience = 10 * time.Millisecond
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for range 100 { // only the first waits
		c, err := m.Crate(ctx, "foo")
		w.must(err)
		if len(c.Entries) != 1 || c.Entries[0].Version != "1.0.0" {
			t.Errorf("foo is %+v", c.Entries)
		}
	}
	close(slow.goOn)
	for !strings.Contains(versions(m, "foo"), "1.1.0") {
		if time.Sleep(time.Millisecond); ctx.Err() != nil {
			t.Fatal("what upstream says never came")
		}
	}
}
