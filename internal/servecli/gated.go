package servecli

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/blocks"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/gate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// gated is the part of a mirror that builds can see.
type gated struct {
	root    *gate.Mirror            // at /
	named   map[string]*gate.Mirror // at /policy/NAME/
	sources []*gate.Source
	ages    *ages
	watch   *blocks.Watch
	metrics *gate.Metrics
	hides   bool // there is a policy for /
}

// gate opens the policies and the blocks, and checks for changes while m is open.
func (cfg *Config) gate(ctx context.Context, m *servedMirror, behind reader.Mirror, log *slog.Logger) (*gated, error) {
	views, err := cfg.Policy.views()
	if err != nil {
		return nil, err
	}
	g := &gated{named: map[string]*gate.Mirror{}, metrics: gate.NewMetrics(), hides: views[""] != ""}
	g.ages = &ages{dir: cfg.Dirs.Index, log: log, changed: g.changed}
	if g.watch, err = blocks.NewWatch(ctx, g.changed, log, cfg.blockLists(m)...); err != nil {
		return nil, err
	}
	usual := gate.Config{Behind: behind, Blocks: g.watch, Seen: g.ages.Seen, Metrics: g.metrics}
	if usual.Audit, err = cfg.openAudit(m, g.metrics, log); err != nil {
		return nil, err
	}
	if !g.hides {
		g.root = gate.New(usual)
	}
	for name, file := range views {
		if err := g.open(ctx, usual, name, file, cfg.Policy.Locked); err != nil {
			return nil, err
		}
	}
	g.metrics.Blocks(g.watch)
	m.metrics = append(m.metrics, g.metrics.Collectors()...)
	g.ages.sources = g.sources
	g.ages.open(ctx)
	m.Add(g.ages.Close)
	m.keep(ctx, g.watch.Follow)
	m.keep(ctx, g.follow)
	return g, nil
}

// blockLists returns where versions are blocked by hand: here, on the other side of an air
// gap, and in the bucket of a replica.
func (cfg *Config) blockLists(m *servedMirror) []blocks.Loader {
	lists := []blocks.Loader{blocks.Folder(cfg.Dirs.State()), blocks.Folder(blocks.Carried(cfg.Dirs.State()))}
	if m.bucket != nil {
		lists = append(lists, &blocks.Source{Reader: m.bucket, Keep: cfg.Dirs.State()})
	}
	return lists
}

// openAudit opens the audit log, or returns nil if there is none.
func (cfg *Config) openAudit(m *servedMirror, metrics *gate.Metrics, log *slog.Logger) (*gate.Audit, error) {
	if cfg.Policy.Audit == "" {
		return nil, nil
	}
	audit, err := gate.OpenAudit(cfg.Policy.Audit, metrics, log)
	if err == nil {
		m.Add(audit.Close)
	}
	return audit, err
}

// open opens the policy in a file, for the view with a name and, if locked, for that of
// builds with a lock file.
func (g *gated) open(ctx context.Context, view gate.Config, name, file string, locked bool) error {
	source, err := gate.OpenSource(ctx, file, g.ages.log)
	if err != nil {
		return err
	}
	g.sources = append(g.sources, source)
	g.metrics.Watch(name, source)
	view.View, view.Policy = name, source
	if name == "" {
		g.root = g.add(view)
	} else {
		g.named[name] = g.add(view)
	}
	if locked {
		view.View, view.Locked = lockedName(name), true
		g.named[view.View] = g.add(view)
	}
	return nil
}

func (g *gated) add(view gate.Config) *gate.Mirror {
	m := gate.New(view)
	view.Policy.OnChange(m.Changed)
	return m
}

// changed tells all views that the blocks have changed.
func (g *gated) changed() {
	if g.root == nil {
		return // it is being opened
	}
	g.root.Changed()
	for _, v := range g.named {
		v.Changed()
	}
}

// policyLook is the time between two checks of policies.
const policyLook = time.Second

// follow checks for changes of policies until life ends. SIGHUP makes it read them
// immediately.
func (g *gated) follow(life context.Context) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	tick := time.NewTicker(policyLook)
	defer tick.Stop()
	for {
		now := false
		select {
		case <-life.Done():
			return
		case <-hup:
			now = true
		case <-tick.C:
		}
		for _, s := range g.sources {
			s.Look(life, now)
		}
		g.ages.open(life)
	}
}
