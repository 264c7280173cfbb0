package flags

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/locate"
)

// Origin says where crate files are: according to a flag, or the index.
type Origin struct {
	Base string // first -crates-base-url: a URL, a template, Auto, or empty if not given

	given   []string            // all values of -crates-base-url, in order
	located bool                // roots of mirrors in given are resolved
	Others  []crate.URLTemplate // further values, in order of preference

	URLs    crate.URLTemplate
	Guarded bool // only the index names the host, which must not be in a private network
}

// Auto is the value of -crates-base-url that trusts the index to name any host.
const Auto = "auto"

const originDefault = crate.CratesIO + ", or auto for the index of another registry, but not in a private network"

// Flag returns -crates-base-url.
func (o *Origin) Flag(purpose string) cli.Flag {
	return &cli.StringSliceFlag{
		Category: requests,
		Name:     "crates-base-url", DefaultText: originDefault, Destination: &o.given,
		Usage: purpose + "`URL`/{name}/{name}-{version}.crate, or from URL itself if it contains cargo's {crate}, {version}, {prefix}, {lowerprefix} or {sha256-checksum}; auto: from where config.json of the index says. Repeat it to name others: what one does not have is requested from the next",
	}
}

// Check parses the flag.
func (o *Origin) Check() (err error) {
	if len(o.given) > 0 {
		o.Base = o.given[0]
	}
	for _, other := range o.given[min(1, len(o.given)):] {
		urls, err := crate.ParseURLTemplate(other)
		if err != nil {
			return Usagef("-crates-base-url: %w", err)
		}
		o.Others = append(o.Others, urls)
	}
	if o.Base == "" || o.Base == Auto {
		return nil
	}
	if o.URLs, err = crate.ParseURLTemplate(o.Base); err != nil {
		return Usagef("-crates-base-url: %w", err)
	}
	return nil
}

// Resolve determines where crate files are: according to the flag or, if there is none, to
// config.json of the index, which may be nil. A flag that names a whole mirror or registry
// is resolved to its crates.
func (o *Origin) Resolve(ctx context.Context, ix *index.Index, log *slog.Logger) error {
	if err := o.locate(ctx, log); err != nil {
		return err
	}
	if o.Base != "" && o.Base != Auto {
		return nil
	}
	urls, err := ofIndex(ctx, ix)
	if err != nil && o.Base == Auto {
		return fmt.Errorf("finding out where crates are: %w: say it with -crates-base-url URL", err)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		log.Warn("crates are taken to be on crates.io, as the index does not say where else: -crates-base-url URL would", "err", err)
	}
	o.Guarded = o.Base == "" && !urls.IsZero()
	if urls.IsZero() {
		urls = crate.CratesIOURLs
	} else if urls.String() != o.URLs.String() {
		log.Info("crates are where config.json of the index says", "dl", urls.String())
	}
	o.URLs = urls
	return nil
}

// locate replaces roots of mirrors by the URLs of their crates, once.
func (o *Origin) locate(ctx context.Context, log *slog.Logger) error {
	for n, given := range o.given {
		urls := &o.URLs
		if n > 0 {
			urls = &o.Others[n-1]
		}
		if o.located || !locate.IsRoot(given) {
			continue
		}
		found, err := locate.Crates(ctx, given)
		if errors.As(err, new(*locate.ElsewhereError)) {
			return Usagef("-crates-base-url: %w", err)
		}
		if err != nil {
			return err
		}
		if !found.IsZero() {
			log.Info("crates are below an address that names a whole mirror", "address", urls.String(), "dl", found.String())
			*urls = found
		}
	}
	o.located = true
	return nil
}

// ResolveIn is like Resolve, with the index in a folder, if there is one.
func (o *Origin) ResolveIn(ctx context.Context, dir string, log *slog.Logger) error {
	ix, err := index.Open(ctx, dir, index.Options{Log: log})
	if errors.Is(err, fs.ErrNotExist) {
		return o.Resolve(ctx, nil, log)
	}
	if err != nil {
		return err
	}
	defer ix.Close()
	return o.Resolve(ctx, ix, log)
}

// checkToken rejects a token if no flag names the host to send it to, or if the URL already
// has a user.
func (o *Origin) checkToken(net *Net) error {
	switch {
	case net.token == "":
		return nil
	case o.Base == "" && net.token != "":
		return Usagef("a token for upstream goes where you say: name that with -crates-base-url URL (or auto: where the index says)")
	case o.URLs.HasUser():
		return Usagef("-crates-base-url names a user and there is a token too: upstream takes one of them")
	}
	return nil
}

// ofIndex returns where crates are according to the index, or the zero template if it is
// that of crates.io. Errors: fs.ErrNotExist if there is no index.
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

// CheckUpstream checks where crate files are, how to request them, and whether both fit
// together.
func CheckUpstream(o *Origin, net *Net) error {
	return errors.Join(o.Check(), net.Check(), o.checkToken(net))
}
