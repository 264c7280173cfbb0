package servecli

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"

	"github.com/go-json-experiment/json"
	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/gitweb"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// registryName is the folder of the git registry, in the state folder.
const registryName = "registry.git"

func (cfg *Config) gitFlag() cli.Flag {
	return &cli.BoolFlag{Name: "git", Usage: "also serve a registry for cargo before 1.68 at /git/registry. It follows changes within seconds; at the start, and once an hour, it renders every crate of the index in the background", Destination: &cfg.Git}
}

// gitHandler returns the handler of /git/, for clients that reach it at base; shown is what
// it serves.
func (cfg *Config) gitHandler(ctx context.Context, m *servedMirror, shown reader.Mirror, base string, log *slog.Logger) (http.Handler, error) {
	h := gitweb.Config{Index: cfg.Dirs.Index, Log: log}
	if !cfg.Git {
		return gitweb.New(h), nil
	}
	config, err := json.Marshal(map[string]string{"dl": base + "/crates", "api": base}, json.Deterministic(true))
	if err != nil {
		return nil, err
	}
	r, err := gitweb.OpenRegistry(gitweb.RegistryConfig{
		Dir: filepath.Join(cfg.Dirs.State(), registryName), Index: cfg.Dirs.Index, Mirror: shown, Config: config, Rules: m.rules(shown), Log: log,
	}, program.Owner(cfg.Dirs.Crates))
	if err != nil {
		return nil, err
	}
	m.Add(r.Close)
	h.Registry = r.GitDir
	m.keep(ctx, r.Follow)
	return gitweb.New(h), nil
}

// rules returns a function whose result grows when something other than the index and the
// held versions changes what is shown: policies, blocks, pulled crates.
func (m *servedMirror) rules(shown reader.Mirror) func() uint64 {
	if m.view == nil {
		return shown.Generation
	}
	return func() uint64 {
		for {
			before := m.view.Generation()
			all := shown.Generation()
			if m.view.Generation() == before {
				return all - before
			}
		}
	}
}
