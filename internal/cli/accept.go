package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// acceptConfig is the flags of accept.
type acceptConfig struct {
	dirs
	log logConfig
	id  crate.ID
	sum *crate.Checksum // nil: what the index names
}

func acceptCommand(a *App) *cli.Command {
	var cfg acceptConfig
	return &cli.Command{
		Name:      "accept",
		Usage:     "let a version that was published again have its new bytes",
		ArgsUsage: "[-mirror DIR] NAME VERSION [SHA256]",
		Description: "crates.io lets an owner delete a version and publish it again. Where sync cannot see\n" +
			"that this is what happened, it keeps the bytes that it has and says so with exit code 4.\n" +
			"Look at both before you accept: the new ones are in quarantine/. The next sync stores\n" +
			"them as the version's; those of before are kept, and found by their checksum.\n\n" +
			"SHA256, if given, must be what the index names. Needs no lock: a mirror may be written\n" +
			"meanwhile.",
		Flags:        append(cfg.dirs.flags(), cfg.log.flags()...),
		OnUsageError: onUsageError,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			err := cfg.check(cmd.Args().Slice())
			if err == nil {
				err = a.accept(ctx, &cfg)
			}
			return usageOf(cmd, err)
		},
	}
}

func (cfg *acceptConfig) check(args []string) error {
	if len(args) != 2 && len(args) != 3 {
		return usagef("want NAME and VERSION, and perhaps SHA256")
	}
	cfg.id = crate.ID{Name: args[0], Version: args[1]}
	if err := cfg.id.Check(); err != nil {
		return usagef("%w", err)
	}
	if len(args) == 3 {
		sum, err := crate.ParseChecksum(args[2])
		if err != nil {
			return usagef("%w", err)
		}
		cfg.sum = &sum
	}
	cfg.fill()
	return errors.Join(cfg.log.check(), cfg.dirs.Check())
}

// accept runs the command.
func (a *App) accept(ctx context.Context, cfg *acceptConfig) (err error) {
	named, err := cfg.named(ctx, a)
	if err != nil {
		return fmt.Errorf("accepting %s: %w", cfg.id, err)
	}
	cat, err := catalog.Open(cfg.Catalog())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cat.Close()) }()
	held, err := inTheWay(ctx, cat, named.ID)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("accepting %s: no bytes of it are stored, so none are in the way: clonecratesio sync downloads it", cfg.id)
	case err != nil:
		return err
	case held.Checksum == named.Checksum:
		return fmt.Errorf("accepting %s: it has the bytes that the index names already: there is nothing to accept", cfg.id)
	}
	if err := cat.Commit(ctx, catalog.Batch{Accepted: []crate.Key{named}}); err != nil {
		return err
	}
	_, err = fmt.Fprintf(a.Stdout, "accepted: %s with sha256 %s; the next sync stores it, and keeps what is stored now (sha256 %s)\n",
		named.ID, named.Checksum, held.Checksum)
	return err
}

// inTheWay returns the row of the bytes that a version has, whatever the case of
// its name: crates.io tells no names apart that differ in case alone. Errors:
// fs.ErrNotExist.
func inTheWay(ctx context.Context, cat *catalog.Catalog, id crate.ID) (held catalog.Version, err error) {
	rows, err := cat.BytesOf(ctx, id)
	found := false
	for _, v := range rows {
		if v.SupersededAt.IsZero() && (!found || v.VerifiedAt.After(held.VerifiedAt)) {
			held, found = v, true
		}
	}
	if err == nil && !found {
		err = fs.ErrNotExist
	}
	return held, err
}

// named returns what the index names.
func (cfg *acceptConfig) named(ctx context.Context, a *App) (key crate.Key, err error) {
	ix, err := cfg.dirs.OpenIndex(ctx, cfg.log.logger(a.Stderr))
	if err != nil {
		return key, err
	}
	defer ix.Close()
	lookup := ix.NewLookup(ctx)
	defer func() { err = errors.Join(err, lookup.Close()) }()
	c, err := lookup.Crate(ctx, cfg.id.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return key, errors.New("the index has no such crate")
	}
	if err != nil {
		return key, err
	}
	i := slices.IndexFunc(c.Entries, func(e index.Entry) bool { return e.ID == cfg.id })
	if i < 0 {
		return key, errors.New("the index does not name this version")
	}
	key = crate.Key{ID: cfg.id, Checksum: c.Entries[i].Checksum}
	if cfg.sum != nil && *cfg.sum != key.Checksum {
		return key, fmt.Errorf("the index names checksum %s, not %s", key.Checksum, cfg.sum)
	}
	return key, nil
}
