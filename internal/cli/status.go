package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
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

// statusConfig holds the flags of status.
type statusConfig struct {
	dirs    flags.Dirs
	json    bool
	removed bool
	deep    bool
	lists   map[string]*bool
	watch   bool
	maxAge  time.Duration

	store fleetcli.Status
}

func statusCommand(a *App) *cli.Command {
	var cfg statusConfig
	return &cli.Command{
		Name:      "status",
		Usage:     "show what a mirror has, how old it is, and how its last run ended",
		ArgsUsage: "[-mirror DIR] [-json] [-missing|-gone|-republished|-removed|-rounds|-deep] | -check | -store URL [-json]",
		Flags: append(append(cfg.dirs.Flags(), cfg.store.Flags()...),
			flags.JSON(&cfg.json, "print one JSON object; with a list, one a line"),
			&cli.BoolFlag{Name: "missing", Usage: "list the versions that could not be downloaded, and why", Destination: cfg.list("missing")},
			&cli.BoolFlag{Name: "gone", Usage: "list the versions that the index names and upstream refuses", Destination: cfg.list("gone")},
			&cli.BoolFlag{Name: "republished", Usage: "list the bytes that versions had before they were published again", Destination: cfg.list("republished")},
			&cli.BoolFlag{Name: "check", Usage: "for monitoring: print in one line what is wrong. Exit 0 if nothing is, 3 if versions are missing or the last complete round is too old, 4 if something is damaged or in quarantine, 10 if there is no mirror", Destination: &cfg.watch},
			&cli.DurationFlag{Name: "max-age", Value: 26 * time.Hour, Usage: "with -check: accept a last complete round of this age; 0 = any", Destination: &cfg.maxAge},
			&cli.BoolFlag{Name: "removed", Usage: "list the versions that disappeared from the index, when, and in which commit", Destination: &cfg.removed},
			&cli.BoolFlag{Name: "rounds", Usage: "list the last rounds of sync, newest first: when each ended, how, and what it downloaded", Destination: cfg.list("rounds")},
			&cli.BoolFlag{Name: "deep", Usage: "describe the deep archive: its ratio, what rebuilds the crates, what is stored unpacked and why", Destination: &cfg.deep}),

		OnUsageError: program.OnUsageError,
		Action:       program.Action(cfg.check, func(ctx context.Context) error { return a.status(ctx, &cfg) }),
	}
}

func (cfg *statusConfig) check() error {
	chosen := 0
	for _, given := range append(slices.Collect(maps.Values(cfg.lists)), &cfg.removed, &cfg.deep, &cfg.watch) {
		if *given {
			chosen++
		}
	}
	if chosen > 1 {
		return flags.Usagef("give one of -missing, -gone, -republished, -removed, -rounds, -deep and -check")
	}
	if cfg.maxAge < 0 {
		return flags.Usagef("-max-age is %v, want 0 (any) or more", cfg.maxAge)
	}
	if cfg.store.URL != "" {
		if chosen > 0 {
			return flags.Usagef("-missing, -gone, -republished, -removed, -rounds, -deep and -check are about a folder: give no -store")
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
	for name, list := range statusLists {
		if *cfg.list(name) {
			return a.statusList(ctx, cfg, list.Each, list.Print)
		}
	}
	if cfg.removed {
		each := func(ctx context.Context, c *catalog.Catalog, do func(any) error) error {
			return status.EachRemoval(ctx, c, func(r *status.Removal) error { return do(r) })
		}
		return a.statusList(ctx, cfg, each, status.PrintRemovals)
	}
	if cfg.deep {
		return a.statusDeep(ctx, cfg)
	}
	if *cfg.list("rounds") {
		return status.PrintRounds(a.Stdout, cfg.dirs.State(), cfg.json)
	}
	s, err := status.Read(ctx, &cfg.dirs.Dirs)
	if err != nil {
		return err
	}
	if cfg.watch {
		err := s.Check(cfg.maxAge, time.Now())
		if err == nil {
			fmt.Fprintf(a.Stdout, "complete: %s of %s\n", human.Plural(s.Versions, "version"), human.Plural(s.Crates, "crate"))
		}
		return err
	}
	if cfg.json {
		err := json.MarshalWrite(a.Stdout, s, jsontext.WithIndent("  "))
		fmt.Fprintln(a.Stdout)
		return err
	}
	return s.Print(a.Stdout, time.Now())
}

var statusLists = map[string]*status.List{"missing": &status.MissingList, "gone": &status.GoneList, "republished": &status.RepublishedList}

// list returns the destination of the flag that asks for the list with this name.
func (cfg *statusConfig) list(name string) *bool {
	if cfg.lists == nil {
		cfg.lists = map[string]*bool{}
	}
	if cfg.lists[name] == nil {
		cfg.lists[name] = new(bool)
	}
	return cfg.lists[name]
}

// statusList prints a list from the catalog, and starts again if the catalog changes meanwhile.
func (a *App) statusList(ctx context.Context, cfg *statusConfig, each func(context.Context, *catalog.Catalog, func(any) error) error, print func(context.Context, io.Writer, *catalog.Catalog) error) error {
	var out bytes.Buffer // output of the last attempt
	err := cfg.dirs.ReadCatalog(ctx, func(c *catalog.Catalog) error {
		out.Reset()
		if cfg.json {
			return each(ctx, c, func(v any) error { return console.JSON(&out, v) })
		}
		return print(ctx, &out, c)
	})
	if err != nil {
		return err
	}
	_, err = out.WriteTo(a.Stdout)
	return err
}

// statusDeep prints what is in the deep archive, as the directories of its packs say.
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
