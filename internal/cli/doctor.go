package cli

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/address"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/doctor"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/registry"
)

// doctorConfig holds the flags of doctor. The Usage texts document them.
type doctorConfig struct {
	dirs   flags.Dirs
	url    string
	store  string
	crates []string
	cainfo string
	maxAge time.Duration
	log    flags.Log

	useMirror bool // check the mirror: it was given, or neither -url nor -store was
}

func doctorCommand(a *App) *cli.Command {
	var cfg doctorConfig
	list := append(cfg.dirs.Flags(),
		&cli.StringFlag{Name: "url", Usage: "check the server at `URL`, the address that users have: https://mirror.example/rust, or sparse+https://.../index/. Default: a server that the doctor starts for the mirror", Destination: &cfg.url},
		&cli.StringFlag{Name: "store", Usage: "check the bucket at `URL` instead, s3://BUCKET/PREFIX?endpoint=URL or file:///FOLDER: can it hold a mirror? Objects that the test writes are removed", Destination: &cfg.store},
		&cli.StringSliceFlag{Name: "crate", Usage: "try the crate `NAME` first, for servers without search, such as static trees; may be repeated", Destination: &cfg.crates},
		&cli.StringFlag{Name: "cainfo", Usage: "also trust the certificate authorities in the PEM `FILE`, as CARGO_HTTP_CAINFO does", Sources: cli.EnvVars("CARGO_HTTP_CAINFO"), Destination: &cfg.cainfo, TakesFile: true},
		&cli.DurationFlag{Name: "max-age", Value: 7 * 24 * time.Hour, Usage: "warn if the mirror's index is older than this", Destination: &cfg.maxAge},
		&cli.StringFlag{Name: "log-level", Value: "warn", Usage: "`debug|info|warn|error`: log level of the server that the doctor starts", Destination: &cfg.log.Level},
	)
	return &cli.Command{
		Name:         "doctor",
		Usage:        "find out why cargo cannot use a mirror, and how to fix it",
		ArgsUsage:    "[-mirror DIR] [-url URL] | -store URL",
		Description:  helpText("doctor"),
		Flags:        list,
		OnUsageError: program.OnUsageError,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			named := cmd.IsSet("mirror") || cmd.IsSet("out")
			if cfg.store != "" && (named || cfg.url != "") {
				return flags.Usagef("-store is looked at by itself: give no -mirror and no -url")
			}
			cfg.useMirror = cfg.store == "" && (cfg.url == "" || named)
			err := cfg.check(cmd.Args().Slice())
			if err == nil {
				err = a.doctor(ctx, &cfg)
			}
			if usage := new(flags.UsageError); errors.As(err, &usage) {
				usage.Cmd = cmd
			}
			return err
		},
	}
}

func (cfg *doctorConfig) check(args []string) error {
	if len(args) > 0 {
		return flags.Usagef("unexpected argument %q", args[0])
	}
	if cfg.maxAge <= 0 {
		return flags.Usagef("-max-age is %v, want more than 0", cfg.maxAge)
	}
	cfg.log.Format = "text"
	if err := cfg.log.Check(); err != nil {
		return err
	}
	if cfg.useMirror {
		cfg.dirs.Fill()
		return cfg.dirs.CheckWhole()
	}
	return nil
}

// doctor checks a bucket, or a server; without -url it starts a server for the mirror.
func (a *App) doctor(ctx context.Context, cfg *doctorConfig) (err error) {
	if cfg.store != "" {
		return a.examineStore(ctx, cfg)
	}
	job := doctor.Config{URL: cfg.url, Crates: cfg.crates, MaxAge: cfg.maxAge, CAFile: cfg.cainfo}
	if cfg.useMirror {
		l, err := registry.ServeLocal(ctx, &cfg.dirs.Dirs, cfg.log.Logger(a.Stderr))
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, l.Close()) }()
		if job.Facts, err = doctor.FactsOf(ctx, &cfg.dirs.Dirs, l.View); err != nil {
			return err
		}
		if cfg.url == "" {
			job.URL, job.NoProxy = l.URL, true
		}
	}
	return a.examine(ctx, job)
}

// examine runs the checks and prints a line for each.
func (a *App) examine(ctx context.Context, job doctor.Config) error {
	job.Tell = func(r doctor.Result) { r.Print(console.Wrap(a.Stdout)) }
	job.CargoConfig = publicurl.CargoConfig(indexURL(job.URL))
	failed, err := doctor.Run(ctx, job)
	if err == nil && failed > 0 {
		err = fmt.Errorf("%s failed: cargo cannot use this mirror as it should", human.Plural(int64(failed), "check"))
	}
	return err
}

// partSize is the smallest part in bytes that S3 allows: a small upload then has several.
const partSize = 5 << 20

// examineStore checks whether a bucket can hold a mirror, and prints a line for each check.
func (a *App) examineStore(ctx context.Context, cfg *doctorConfig) error {
	b, err := address.Open(ctx, cfg.store, address.Options{NoProbe: true, PartSize: partSize, Log: cfg.log.Logger(a.Stderr)})
	if err != nil {
		return err
	}
	failed, err := doctor.Store(ctx, b, func(r doctor.Result) { r.Print(console.Wrap(a.Stdout)) })
	if err == nil && failed > 0 {
		err = fmt.Errorf("%s failed: %s cannot hold a mirror", human.Plural(int64(failed), "check"), b)
	}
	return err
}

// indexURL returns cargo's index URL of a registry; url may already be one.
func indexURL(url string) string {
	if strings.HasPrefix(url, "sparse+") {
		return url
	}
	return publicurl.Index(url)
}
