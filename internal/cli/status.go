package cli

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/fleetcli"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/repack"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/status"
)

// statusConfig is the flags of status.
type statusConfig struct {
	dirs    flags.Dirs
	json    bool
	removed bool
	deep    bool

	store fleetcli.Status
}

func statusCommand(a *App) *cli.Command {
	var cfg statusConfig
	return &cli.Command{
		Name:      "status",
		Usage:     "say what a mirror holds, how old it is, and how its last run ended",
		ArgsUsage: "[-mirror DIR] [-json] [-removed] [-deep] | -store URL [-json]",
		Flags: append(append(cfg.dirs.Flags(), cfg.store.Flags()...),
			flags.JSON(&cfg.json, "as one JSON object; with -removed, one a line"),
			&cli.BoolFlag{Name: "removed", Usage: "list what the index has stopped naming, when that was seen, and in which commit", Destination: &cfg.removed},
			&cli.BoolFlag{Name: "deep", Usage: "say what the deep archive has: its ratio, what rebuilds the crates, what is stored as it is and why", Destination: &cfg.deep}),

		OnUsageError: program.OnUsageError,
		Action:       program.Action(cfg.check, func(ctx context.Context) error { return a.status(ctx, &cfg) }),
	}
}

func (cfg *statusConfig) check() error {
	if cfg.store.URL != "" {
		if cfg.removed || cfg.deep {
			return flags.Usagef("-removed and -deep are about a folder: give no -store")
		}
		cfg.store.Index = cfg.dirs.Index
		return cfg.store.Check()
	}
	cfg.dirs.Fill()
	return cfg.dirs.Check()
}

func (a *App) status(ctx context.Context, cfg *statusConfig) error {
	if cfg.store.URL != "" {
		return cfg.store.Print(ctx, a.Stdout, cfg.json)
	}
	if cfg.removed {
		return a.statusRemoved(ctx, cfg)
	}
	if cfg.deep {
		return a.statusDeep(ctx, cfg)
	}
	s, err := status.Read(ctx, &cfg.dirs.Dirs)
	if err != nil {
		return err
	}
	if cfg.json {
		return json.MarshalWrite(a.Stdout, s, jsontext.WithIndent("  "))
	}
	return s.Print(a.Stdout, time.Now())
}

// statusRemoved lists what the index has stopped naming.
func (a *App) statusRemoved(ctx context.Context, cfg *statusConfig) error {
	var out bytes.Buffer // of the last reading
	err := cfg.dirs.ReadCatalog(ctx, func(c *catalog.Catalog) error {
		out.Reset()
		if cfg.json {
			return status.EachRemoval(ctx, c, func(r *status.Removal) error { return console.JSON(&out, r) })
		}
		return status.PrintRemovals(ctx, &out, c)
	})
	if err != nil {
		return err
	}
	_, err = out.WriteTo(a.Stdout)
	return err
}

// statusDeep says what the deep archive has, from the directories of its packs.
func (a *App) statusDeep(ctx context.Context, cfg *statusConfig) error {
	folder, err := home.OpenIfThere(cfg.dirs.Deep)
	if err != nil {
		return err
	}
	if folder == nil {
		fmt.Fprintln(a.Stdout, "there is no deep archive: clonecratesio repack makes one")
		return nil
	}
	defer folder.Close()
	t, err := repack.TallyOf(ctx, folder)
	if err != nil {
		return err
	}
	if cfg.json {
		return console.JSON(a.Stdout, t.JSON())
	}
	t.Print(a.Stdout, human.Plural(t.Segments, "segment"))
	return nil
}
