package policycli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy/age"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy/survey"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// diffConfig is the flags of diff.
type diffConfig struct {
	dirs  flags.Dirs
	names [2]string // of the policies, old and new
	json  bool
	log   flags.Log
}

// diff returns the command that compares two policies.
func diff(a *program.App) *cli.Command {
	var cfg diffConfig
	return &cli.Command{
		Name:         "diff",
		Usage:        "list the versions of a mirror that appear and disappear with another policy",
		ArgsUsage:    "[-mirror DIR] [-json] OLD NEW",
		Description:  help("diff"),
		Flags:        append(append(cfg.dirs.Flags(), flags.JSON(&cfg.json, "print a line of JSON for each change, and one for all (docs/policy.md)")), cfg.log.Flags()...),
		OnUsageError: program.OnUsageError,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if cmd.Args().Len() != 2 {
				return program.UsageOf(cmd, flags.Usagef(`want OLD and NEW: files, or "none"`))
			}
			cfg.names = [2]string{cmd.Args().Get(0), cmd.Args().Get(1)}
			cfg.dirs.Fill()
			err := cfg.log.Check()
			if err == nil {
				err = cfg.run(ctx, a)
			}
			return program.UsageOf(cmd, err)
		},
	}
}

func (cfg *diffConfig) run(ctx context.Context, a *program.App) (err error) {
	log := cfg.log.Logger(a.Stderr)
	two, err := loadTwo(ctx, cfg.names)
	if err != nil {
		return err
	}
	ix, err := cfg.dirs.OpenIndex(ctx, log)
	if err != nil {
		return err
	}
	defer ix.Close()
	c := &survey.Comparison{Index: ix, Old: two[0], New: two[1], Now: time.Now()}
	if need := max(two[0].Needs().Seen, two[1].Needs().Seen); need > 0 {
		c.Table, err = age.NewTable(ctx, cfg.dirs.Index, ix, need)
		if err != nil && !errors.Is(err, index.ErrNoPast) {
			return err
		}
	}
	if _, err := os.Stat(cfg.dirs.Catalog()); err == nil {
		follower, err := catalog.Follow(ctx, cfg.dirs.Catalog())
		if err != nil {
			return err
		}
		defer follower.Close()
		c.Holdings = catalog.Live{Follower: follower}
	}
	if c.Holdings != nil && (two[0].Needs().Facts || two[1].Needs().Facts) {
		view, err := reader.Open(ctx, reader.Config{Dirs: cfg.dirs.Dirs, Log: log})
		if err != nil {
			return err
		}
		defer view.Close()
		c.Facts = func(ctx context.Context, key crate.Key) *policy.Facts { return factsOf(ctx, view, key) }
	}
	return cfg.print(ctx, a, c)
}

// factsOf returns the facts of a crate's Cargo.toml; nil: it cannot be read.
func factsOf(ctx context.Context, view *reader.View, key crate.Key) *policy.Facts {
	p, err := view.About(ctx, key)
	if err != nil {
		return nil
	}
	return &policy.Facts{License: p.License, LicenseFile: p.LicenseFile, Repository: p.Repository}
}

func (cfg *diffConfig) print(ctx context.Context, a *program.App, c *survey.Comparison) error {
	out := bufio.NewWriter(a.Stdout)
	t, err := survey.Compare(ctx, c, func(change *survey.Change) error {
		if cfg.json {
			err := json.MarshalWrite(out, change)
			fmt.Fprintln(out)
			return err
		}
		sign, d := "~", &change.New
		switch {
		case change.Appears():
			sign, d = "+", &change.Old
		case change.Disappears():
			sign = "-"
		}
		_, err := fmt.Fprintf(out, "%s %s  %s: %s\n", sign, change.ID, d.Rule, d.Reason)
		return err
	})
	if err != nil {
		return errors.Join(err, out.Flush())
	}
	if cfg.json {
		err = json.MarshalWrite(out, t)
		fmt.Fprintln(out)
	} else {
		fmt.Fprintf(out, "%s: %s appear, %s disappear, %s are hidden in another way; %s are shown\n", human.Plural(t.Versions, "version"),
			human.Count(t.Appear), human.Count(t.Disappear), human.Count(t.Otherwise), human.Count(t.Shown))
	}
	if t.Unreadable > 0 && err == nil {
		fmt.Fprintf(a.Stderr, "%s of the index could not be read\n", human.Plural(t.Unreadable, "line or file"))
	}
	return errors.Join(err, out.Flush())
}
