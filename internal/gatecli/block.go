// Package gatecli has the commands that decide which versions are served, and to whom: their
// flags, help and output.
package gatecli

import (
	"cmp"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/user"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/blocks"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

//go:embed help/*.txt
var texts embed.FS

// blockConfig has the flags of block and unblock.
type blockConfig struct {
	dirs       flags.Dirs
	store      flags.Store
	reason, by string
	list, json bool
	specs      []string
}

func (cfg *blockConfig) flags() []cli.Flag {
	return append(cfg.dirs.Flags(),
		cfg.store.Flag("change the mirror in this bucket, for all its replicas"),
		&cli.StringFlag{Name: "by", Usage: "record `WHO` did it; default: you, at this machine", Destination: &cfg.by})
}

// Block returns the command that blocks versions.
func Block(a *program.App) *cli.Command {
	var cfg blockConfig
	return &cli.Command{
		Name:        "block",
		Usage:       "hide a version from clients within a second",
		ArgsUsage:   "NAME|NAME@VERSION|NAME@REQUIREMENT|SHA256 ... -reason TEXT | -list",
		Description: program.HelpText(texts, "block"),
		Flags: append(cfg.flags(),
			&cli.StringFlag{Name: "reason", Usage: "show `TEXT` to users whose builds miss it", Destination: &cfg.reason},
			&cli.BoolFlag{Name: "list", Usage: "list what is blocked", Destination: &cfg.list},
			&cli.BoolFlag{Name: "json", Usage: "with -list: print JSON", Destination: &cfg.json}),
		OnUsageError: program.OnUsageError,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			cfg.specs = cmd.Args().Slice()
			err := cfg.checkBlock()
			if err == nil {
				err = cfg.block(ctx, a)
			}
			return program.UsageOf(cmd, err)
		},
	}
}

// Unblock returns the command that removes blocks.
func Unblock(a *program.App) *cli.Command {
	var cfg blockConfig
	return &cli.Command{
		Name:         "unblock",
		Usage:        "remove a block",
		ArgsUsage:    "NAME|NAME@VERSION|NAME@REQUIREMENT|SHA256 ...",
		Description:  program.HelpText(texts, "unblock"),
		Flags:        cfg.flags(),
		OnUsageError: program.OnUsageError,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			cfg.specs = cmd.Args().Slice()
			err := cfg.store.Check()
			if err == nil && len(cfg.specs) == 0 {
				err = flags.Usagef("name what to unblock, as block -list prints it")
			}
			if err == nil {
				err = cfg.unblock(ctx, a)
			}
			return program.UsageOf(cmd, err)
		},
	}
}

func (cfg *blockConfig) checkBlock() error {
	switch {
	case cfg.list && len(cfg.specs) > 0:
		return flags.Usagef("-list prints all blocks and takes no arguments")
	case !cfg.list && len(cfg.specs) == 0:
		return flags.Usagef("name what to block: serde, serde@1.0.219, \"serde@>=1.0.219\", or the SHA-256 of a crate file")
	case !cfg.list && cfg.reason == "":
		return flags.Usagef("-reason is missing: it is shown to users whose build stops")
	}
	return cfg.store.Check()
}

// open returns the blocks, and a phrase that says where they are.
func (cfg *blockConfig) open(ctx context.Context, readOnly bool) (blocks.Store, string, error) {
	if cfg.store.URL != "" {
		b, err := cfg.store.Open(ctx, readOnly, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, "", err
		}
		return blocks.Bucket(b), b.String(), nil
	}
	cfg.dirs.Fill()
	if err := cfg.dirs.CheckHere(); err != nil {
		return nil, "", err
	}
	return blocks.Folder(cfg.dirs.State()), cfg.dirs.Crates, nil
}

// parse parses the versions that the arguments name.
func (cfg *blockConfig) parse() ([]blocks.Block, error) {
	all := make([]blocks.Block, len(cfg.specs))
	for i, spec := range cfg.specs {
		b, err := blocks.Parse(spec)
		if err != nil {
			return nil, flags.Usagef("%w", err)
		}
		b.Reason, b.By, b.Since = cfg.reason, cmp.Or(cfg.by, whoami()), time.Now().UTC().Truncate(time.Second)
		all[i] = b
	}
	return all, nil
}

// whoami returns the user's name for the record. Flag -by replaces it.
func whoami() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		return name
	}
	return name + "@" + host
}

func (cfg *blockConfig) block(ctx context.Context, a *program.App) error {
	store, where, err := cfg.open(ctx, cfg.list)
	if err != nil {
		return err
	}
	if cfg.list {
		return cfg.print(ctx, a.Stdout, store)
	}
	all, err := cfg.parse()
	if err != nil {
		return err
	}
	err = store.Change(ctx, func(l *blocks.List) (_ *blocks.List, err error) {
		for _, b := range all {
			if l, err = l.With(b); err != nil {
				return nil, err
			}
		}
		return l, nil
	})
	if err != nil {
		return fmt.Errorf("blocking: %w", err)
	}
	for i := range all {
		fmt.Fprintf(a.Stdout, "%s is blocked: servers of %s refuse it within a second\n", all[i].String(), where)
	}
	return nil
}

// errNotBlocked ends an unblock that would change nothing.
var errNotBlocked = errors.New("not blocked here: block -list prints all blocks; those of the sending side of an air gap can only be removed there")

func (cfg *blockConfig) unblock(ctx context.Context, a *program.App) error {
	store, where, err := cfg.open(ctx, false)
	if err != nil {
		return err
	}
	all, err := cfg.parse()
	if err != nil {
		return err
	}
	err = store.Change(ctx, func(l *blocks.List) (*blocks.List, error) {
		for i := range all {
			var there bool
			if l, there = l.Without(all[i]); !there {
				return nil, fmt.Errorf("%s: %w", &all[i], errNotBlocked)
			}
		}
		return l, nil
	})
	if err != nil {
		return fmt.Errorf("unblocking %w", err)
	}
	for i := range all {
		fmt.Fprintf(a.Stdout, "%s is no longer blocked: servers of %s serve it again within a second\n", all[i].String(), where)
	}
	return nil
}

func (cfg *blockConfig) print(ctx context.Context, out io.Writer, store blocks.Store) error {
	l, err := store.Load(ctx)
	if err == nil && cfg.store.URL == "" {
		l, err = blocks.All(ctx, cfg.dirs.State())
	}
	if err != nil {
		return err
	}
	if cfg.json {
		enc := json.NewEncoder(out)
		for i := range l.Blocks {
			if err := enc.Encode(&l.Blocks[i]); err != nil {
				return err
			}
		}
		return nil
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for i := range l.Blocks {
		b := &l.Blocks[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", b, b.Since.UTC().Format(time.RFC3339), human.Printable(b.By), human.Printable(b.Reason))
	}
	return w.Flush()
}
