package fleetcli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/fleet"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// Status has the flags of status for a mirror in a bucket.
type Status struct {
	flags.Store
	Index         string // folder of the index to compare with; empty: the bucket's own index
	excludeYanked bool
}

// Flags returns the flags.
func (cfg *Status) Flags() []cli.Flag {
	return []cli.Flag{
		cfg.Flag("check that the mirror in this bucket has each version that its index names once, in the shard that it belongs to"),
		&cli.BoolFlag{Name: "exclude-yanked", Usage: "with -store: do not count yanked versions as missing", Destination: &cfg.excludeYanked},
	}
}

// Print compares the contents of all shards with the index and writes the result to w. Errors:
// the verdict of the census, among others.
func (cfg *Status) Print(ctx context.Context, w io.Writer, asJSON bool) (err error) {
	log := slog.New(slog.DiscardHandler)
	in, err := cfg.Open(ctx, true, log)
	if err != nil {
		return err
	}
	r, _, err := root.Read(ctx, in, "")
	if err != nil {
		return fmt.Errorf("reading the root of %s: %w", in, err)
	}
	ix, done, err := cfg.open(ctx, in, r, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	counted, err := fleet.Census{Bucket: in, Root: r, Index: ix, Scratch: os.TempDir(), ExcludeYanked: cfg.excludeYanked}.Count(ctx)
	if err != nil {
		return err
	}
	if asJSON {
		err = console.JSON(w, counted)
	} else {
		err = counted.Print(w)
	}
	return errors.Join(err, counted.Verdict())
}

// open opens the index in cfg.Index, or else the one that the root names.
func (cfg *Status) open(ctx context.Context, in bucket.Reader, r *root.Root, log *slog.Logger) (*index.Index, func() error, error) {
	if cfg.Index == "" {
		return fleet.OpenIndex(ctx, in, r, os.TempDir(), log)
	}
	ix, err := index.Open(ctx, cfg.Index, index.Options{Log: log})
	if err != nil {
		return nil, nil, err
	}
	return ix, ix.Close, nil
}
