package signcli

import (
	"context"
	"errors"
	"io"
	"io/fs"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/attest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/signing"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/statement"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// checkConfig is the flags of check.
type checkConfig struct {
	file, key       string
	crate, manifest string
}

// Check returns the command that checks proofs.
func Check(a *program.App) *cli.Command {
	var cfg checkConfig
	return &cli.Command{
		Name:        "check",
		Usage:       "check a proof or a statement with a public key, offline",
		ArgsUsage:   "-key KEY [-crate FILE] [-manifest FILE] PROOF",
		Description: help("check"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "key", Usage: "trust the public `KEY`, of any kind, as text or in a file, or a file of allowed signers", Destination: &cfg.key},
			&cli.StringFlag{Name: "crate", Usage: "require the crate file `FILE` to be the one that the proof is about", Destination: &cfg.crate, TakesFile: true},
			&cli.StringFlag{Name: "manifest", Usage: "require the audit log `FILE`, such as manifest.jsonl, to be the one that the statement covers", Destination: &cfg.manifest, TakesFile: true},
		},
		OnUsageError: program.OnUsageError,
		Action: func(_ context.Context, cmd *cli.Command) error {
			var err error
			if cfg.file, err = oneFile(cmd); err == nil {
				err = cfg.check()
			}
			if err == nil {
				err = check(a, &cfg)
			}
			return program.UsageOf(cmd, err)
		},
	}
}

func (cfg *checkConfig) check() error {
	if cfg.key == "" {
		return flags.Usagef("-key KEY is missing: the public key of the statement's author, from another source than the proof")
	}
	return nil
}

// check runs the command.
func check(a *program.App, cfg *checkConfig) error {
	keys, err := signing.OpenPublic(cfg.key)
	if err != nil {
		return err
	}
	var proved string
	data, err := attest.ReadFile(cfg.file, statement.MaxProof)
	if err == nil {
		proved, err = attest.Sentences(data, attest.SignedBy(keys), cfg.crate, cfg.manifest)
	}
	if err != nil && !errors.As(err, new(*fs.PathError)) {
		err = verdict.Integrityf("%s: not proved: %v", cfg.file, err)
	}
	if err != nil {
		return err
	}
	_, err = io.WriteString(a.Stdout, proved)
	return err
}
