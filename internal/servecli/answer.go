package servecli

import (
	"context"
	"log/slog"
	"net/http"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/browse"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/dependants"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/gate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/pages"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/registry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/telemetry"
)

// handler returns the handler of the registry, its views, and pages for each. stop ends the
// pages.
func (g *gated) handler(ctx context.Context, cfg *Config, v reader.Mirror, base registry.Config, needs *dependants.Watch, facts telemetry.Source) (h *registry.Handler, stop func()) {
	var all []*pages.Handler
	foreign := cfg.isForeign(ctx, base.Log)
	files := browse.New() // shared by all, because it bounds the unpacking
	of := func(m *gate.Mirror, public publicurl.URL) *pages.Handler {
		conf := pages.Config{Mirror: m, About: pages.AboutOf(v), PublicURL: public, Version: program.Version(), Files: files, Dependants: needs, Foreign: foreign, Labels: cfg.Descriptions != "", Log: base.Log}
		if facts != nil && m == g.root {
			conf.Health = facts.Health // people see the health of what views show
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

// isForeign reports whether the index in the mirror's folder is that of another registry than
// crates.io. Without one, crates.io is meant.
func (cfg *Config) isForeign(ctx context.Context, log *slog.Logger) bool {
	ix, err := cfg.Dirs.OpenIndex(ctx, log)
	if err != nil {
		return false
	}
	defer ix.Close()
	c, err := ix.Config(ctx)
	return err == nil && !c.IsCratesIO()
}

// notReplicated answers other mirrors, which download bundles, in which hidden versions are
// beside the others.
func notReplicated(w http.ResponseWriter, _ *http.Request) {
	http.Error(w, "This mirror does not show everybody all that it holds, and so lets no other mirror bring that home. Its operator can (serve -allow-replicate).", http.StatusForbidden)
}

// statusOf is what a server reports about itself.
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
