package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// originConfig is where crate files are: as a flag says, or the index.
type originConfig struct {
	base string // -crates-base-url: a URL, a template, "auto", or empty if it is not given

	urls    crate.URLTemplate
	guarded bool // the index alone names the host: it may not be in a private network
}

// auto is the -crates-base-url that trusts the index.
const auto = "auto"

const originDefault = crate.CratesIO + ", or for the index of another registry as auto, but not in a private network"

func (o *originConfig) flag(purpose string) cli.Flag {
	return &cli.StringFlag{
		Name: "crates-base-url", DefaultText: originDefault, Destination: &o.base,
		Usage: purpose + "`URL`/{name}/{name}-{version}.crate, or URL itself with cargo's {crate}, {version}, {prefix}, {lowerprefix}, {sha256-checksum} in it; auto: where config.json of the index says",
	}
}

// check reads the flag.
func (o *originConfig) check() (err error) {
	if o.base == "" || o.base == auto {
		return nil
	}
	if o.urls, err = crate.ParseURLTemplate(o.base); err != nil {
		return usagef("-crates-base-url: %w", err)
	}
	return nil
}

// resolve finds out where crate files are, if no flag says so: in config.json of
// the index, which is nil if there is none.
func (o *originConfig) resolve(ctx context.Context, ix *index.Index, log *slog.Logger) error {
	if o.base != "" && o.base != auto {
		return nil
	}
	urls, err := ofIndex(ctx, ix)
	if err != nil && o.base == auto {
		return fmt.Errorf("finding out where crates are: %w: say it with -crates-base-url URL", err)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("crates are taken to be on crates.io, as the index does not say where else: -crates-base-url URL would", "err", err)
	}
	o.guarded = o.base == "" && !urls.IsZero()
	if urls.IsZero() {
		urls = crate.CratesIOURLs
	} else if urls.String() != o.urls.String() {
		log.Info("crates are where config.json of the index says", "dl", urls.String())
	}
	o.urls = urls
	return nil
}

// resolveIn is resolve with the index in a folder, if there is one.
func (o *originConfig) resolveIn(ctx context.Context, dir string, log *slog.Logger) error {
	ix, err := index.Open(ctx, dir, index.Options{Log: log})
	if errors.Is(err, fs.ErrNotExist) {
		return o.resolve(ctx, nil, log)
	}
	if err != nil {
		return err
	}
	defer ix.Close()
	return o.resolve(ctx, ix, log)
}

// checkToken refuses a token without a host to send it to.
func (o *originConfig) checkToken(token string) error {
	switch {
	case token == "":
		return nil
	case o.base == "":
		return usagef("a token for upstream goes where you say: name that with -crates-base-url URL (or auto: where the index says)")
	case o.urls.HasUser():
		return usagef("-crates-base-url names a user and there is a token too: upstream takes one of them")
	}
	return nil
}

// ofIndex is where another registry than crates.io has its crates.
func ofIndex(ctx context.Context, ix *index.Index) (none crate.URLTemplate, err error) {
	if ix == nil {
		return none, fmt.Errorf("there is no index: %w", fs.ErrNotExist)
	}
	cfg, err := ix.Config(ctx)
	if err != nil || cfg.IsCratesIO() {
		return none, err
	}
	urls := crate.CargoURLTemplate(cfg.DL)
	if err := urls.Check(); err != nil {
		return none, fmt.Errorf("\"dl\" in config.json of the index: %w", err)
	}
	return urls, nil
}
