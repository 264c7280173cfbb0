package servecli

import (
	"context"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/blocks"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/browse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/dependants"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/gate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/pages"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/registry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/telemetry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// Policy is the flags of what builds may see.
type Policy struct {
	Files     []string // FILE, for what is served at /, or NAME=FILE
	Audit     string
	Locked    bool
	Replicate bool // /replicate/ and /git/ are open although something is hidden
}

func (p *Policy) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringSliceFlag{Name: "policy", Usage: "show builds what the policy in `[NAME=]FILE` allows: with NAME at /policy/NAME/, without at / itself; may be repeated", Destination: &p.Files, TakesFile: true},
		&cli.StringFlag{Name: "policy-audit", Usage: "append what a policy or a block hides, refuses and waives, and for whom, to `FILE`, a line of JSON each", Destination: &p.Audit, TakesFile: true},
		&cli.BoolFlag{Name: "policy-locked", Usage: "beside each policy, show at /policy/NAME-locked/ (/policy/locked/ for the one without a name) what builds with a lock file may have: versions that are hidden as resolve-only, too", Destination: &p.Locked},
		&cli.BoolFlag{Name: "allow-replicate", Usage: "with -policy or -auth-tokens: let other mirrors have all that is held, at /replicate/ and /git/, whatever the policy hides", Destination: &p.Replicate},
	}
}

// lockedName is that of the view of a policy for builds with a lock file.
func lockedName(name string) string { return strings.TrimPrefix(name+"-locked", "-") }

// maxViews bounds how many policies one server has.
const maxViews = 64

// views are the files of policies by the names of their views; "" is what is at /.
func (p *Policy) views() (map[string]string, error) {
	views := map[string]string{}
	for _, v := range p.Files {
		name, file := flags.NamedFile(v)
		switch {
		case file == "":
			return nil, flags.Usagef("-policy %q names no file", v)
		case name != "" && !transfer.IsPolicyName(name):
			return nil, flags.Usagef("-policy %q: the name is to be of small letters, digits and -, 32 at most: it stands in addresses", v)
		case views[name] != "" && name == "":
			return nil, flags.Usagef("-policy %q: there is one for / already; name this one: -policy NAME=%s", v, file)
		case views[name] != "":
			return nil, flags.Usagef("-policy %q: there is one of that name already", v)
		}
		views[name] = file
	}
	for name := range views {
		if p.Locked && views[lockedName(name)] != "" {
			return nil, flags.Usagef("-policy-locked makes a view %s: call another one so", lockedName(name))
		}
	}
	if len(views) > maxViews {
		return nil, flags.Usagef("-policy is given %d times, at most %d fit", len(views), maxViews)
	}
	return views, nil
}

func (p *Policy) check() error {
	_, err := p.views()
	return err
}

// gated is what builds see of a mirror.
type gated struct {
	root    *gate.Mirror
	named   map[string]*gate.Mirror
	sources []*gate.Source
	ages    *ages
	watch   *blocks.Watch
	metrics *gate.Metrics
	hides   bool // there is a policy for /
}

// gate opens the policies and the blocks, and looks for changes as long as m is open.
func (cfg *Config) gate(ctx context.Context, m *servedMirror, behind reader.Mirror, log *slog.Logger) (*gated, error) {
	views, err := cfg.Policy.views()
	if err != nil {
		return nil, err
	}
	g := &gated{named: map[string]*gate.Mirror{}, metrics: gate.NewMetrics(), hides: views[""] != ""}
	var audit *gate.Audit
	if cfg.Policy.Audit != "" {
		if audit, err = gate.OpenAudit(cfg.Policy.Audit, g.metrics, log); err != nil {
			return nil, err
		}
		m.Add(audit.Close)
	}
	from := []blocks.Loader{blocks.Folder(cfg.Dirs.State()), blocks.Folder(blocks.Carried(cfg.Dirs.State()))}
	if m.bucket != nil {
		from = append(from, &blocks.Source{Reader: m.bucket, Keep: cfg.Dirs.State()})
	}
	if g.watch, err = blocks.NewWatch(ctx, g.changed, log, from...); err != nil {
		return nil, err
	}
	if _, ok := views[""]; !ok {
		views[""] = ""
	}
	g.ages = &ages{dir: cfg.Dirs.Index, log: log, changed: g.changed}
	for name, file := range views {
		view := gate.Config{View: name, Behind: behind, Blocks: g.watch, Seen: g.ages.Seen, Audit: audit, Metrics: g.metrics}
		if file != "" {
			if view.Policy, err = gate.OpenSource(ctx, file, log); err != nil {
				return nil, err
			}
			g.sources = append(g.sources, view.Policy)
			g.metrics.Watch(name, view.Policy)
		}
		mirror := gate.New(view)
		if view.Policy != nil {
			view.Policy.OnChange(mirror.Changed)
		}
		if name == "" {
			g.root = mirror
		} else {
			g.named[name] = mirror
		}
		if cfg.Policy.Locked && file != "" {
			view.View, view.Locked = lockedName(name), true
			locked := gate.New(view)
			view.Policy.OnChange(locked.Changed)
			g.named[view.View] = locked
		}
	}
	g.ages.sources = g.sources
	g.ages.open(ctx)
	m.Add(g.ages.Close)
	g.metrics.Blocks(g.watch)
	m.metrics = append(m.metrics, g.metrics.Collectors()...)
	m.Add(g.follow(ctx))
	return g, nil
}

// changed tells all views that the blocks are others.
func (g *gated) changed() {
	if g.root == nil {
		return // it is being opened
	}
	g.root.Changed()
	for _, v := range g.named {
		v.Changed()
	}
}

// policyLook is the time between two looks at policies.
const policyLook = time.Second

// follow looks for changes until what it returns is called. SIGHUP has the policies read
// again at once.
func (g *gated) follow(ctx context.Context) (stop func() error) {
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{}, 2)
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	go func() {
		g.watch.Follow(life)
		done <- struct{}{}
	}()
	go func() {
		tick := time.NewTicker(policyLook)
		defer tick.Stop()
		for life.Err() == nil {
			now := false
			select {
			case <-life.Done():
			case <-hup:
				now = true
			case <-tick.C:
			}
			for _, s := range g.sources {
				s.Look(life, now)
			}
			g.ages.open(life)
		}
		done <- struct{}{}
	}()
	return func() error {
		signal.Stop(hup)
		end()
		<-done
		<-done
		return nil
	}
}

// handler is what answers: the registry, its views, pages for each. Stop ends the pages.
func (g *gated) handler(cfg *Config, v reader.Mirror, base registry.Config, needs *dependants.Watch, facts telemetry.Source) (h *registry.Handler, stop func()) {
	var all []*pages.Handler
	files := browse.New() // for all of them: it is what bounds the unpacking
	of := func(m *gate.Mirror, public publicurl.URL) *pages.Handler {
		conf := pages.Config{Mirror: m, About: pages.AboutOf(v), PublicURL: public, Version: program.Version(), Files: files, Dependants: needs, Log: base.Log}
		if facts != nil && m == g.root {
			conf.Health = facts.Health // of views, people see what these show
		}
		p := pages.New(conf)
		all = append(all, p)
		return p
	}
	base.Mirror, base.Gated = g.root, g.hides
	base.Pages = of(g.root, base.PublicURL)
	for name, m := range g.named {
		base.Views = append(base.Views, registry.View{Name: name, Mirror: m, Pages: of(m, base.PublicURL.Below(registry.ViewPrefix+name))})
	}
	if (g.hides || base.Private) && !cfg.Policy.Replicate {
		base.Peers, base.Git, base.Feed = http.HandlerFunc(notReplicated), http.HandlerFunc(notReplicated), http.HandlerFunc(notReplicated)
	}
	return registry.New(base), func() {
		for _, p := range all {
			p.Close()
		}
	}
}

// notReplicated answers other mirrors: what they bring home is bundles, in which what is
// hidden lies beside the rest.
func notReplicated(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "This mirror does not show everybody all that it holds, and so lets no other mirror bring that home. Its operator can (serve -allow-replicate).", http.StatusForbidden)
}

// statusOf is what a server says of itself.
type statusOf struct {
	registry.ServerStatus
	Replica  *replica.Summary `json:"replica,omitempty"`
	Policies []gate.Status    `json:"policies,omitempty"`
	Blocks   int              `json:"blocks"`
}

func (g *gated) status(s registry.ServerStatus, r *replica.Replica) statusOf {
	out := statusOf{ServerStatus: s, Blocks: g.watch.Count()}
	if r != nil {
		summary := r.Summary()
		out.Replica = &summary
	}
	for _, source := range g.sources {
		out.Policies = append(out.Policies, source.Status())
	}
	return out
}
