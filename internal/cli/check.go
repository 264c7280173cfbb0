package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/attest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/signing"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/statement"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// checkConfig is the flags of check.
type checkConfig struct {
	file, key       string
	crate, manifest string
}

func checkCommand(a *App) *cli.Command {
	var cfg checkConfig
	return &cli.Command{
		Name:        "check",
		Usage:       "check a proof or a statement with a public key, offline",
		ArgsUsage:   "-key KEY [-crate FILE] [-manifest FILE] PROOF",
		Description: helpText("check"),
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "key", Usage: "public `KEY`, as text or in a file, of any kind, or a file of allowed signers", Destination: &cfg.key},
			&cli.StringFlag{Name: "crate", Usage: "the crate file in `FILE` must be the one that the proof is about", Destination: &cfg.crate, TakesFile: true},
			&cli.StringFlag{Name: "manifest", Usage: "the audit log in `FILE`, as manifest.jsonl is, must be the one that the statement covers", Destination: &cfg.manifest, TakesFile: true},
		},
		OnUsageError: onUsageError,
		Action: func(_ context.Context, cmd *cli.Command) error {
			var err error
			if cfg.file, err = oneFile(cmd); err == nil {
				err = cfg.check()
			}
			if err == nil {
				err = a.check(&cfg)
			}
			return usageOf(cmd, err)
		},
	}
}

func (cfg *checkConfig) check() error {
	if cfg.key == "" {
		return flags.Usagef("-key KEY is missing: the public key of whoever made the statement, which must not come from where the proof does")
	}
	return nil
}

// check runs the command.
func (a *App) check(cfg *checkConfig) error {
	keys, err := signing.OpenPublic(cfg.key)
	if err != nil {
		return err
	}
	var proved string
	data, err := attest.ReadFile(cfg.file, statement.MaxProof)
	if err == nil {
		proved, err = cfg.prove(data, attest.SignedBy(keys))
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

// prove returns what is proved, in sentences.
func (cfg *checkConfig) prove(data []byte, verify statement.Verify) (string, error) {
	if cfg.crate != "" && !statement.IsInclusion(data) {
		return "", errors.New("-crate is for the proof of a version: this is none")
	}
	p, err := attest.Check(data, verify)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	switch {
	case p.Since != nil:
		fmt.Fprintf(&out, "proved: the %s that %s stated by %s are the first of the %d of %s: history was only appended to\n",
			leaves(p.Since.N), p.Since.Origin, p.Since.At.Format(time.RFC3339), p.N, p.At.Format(time.RFC3339))
	case p.Version != crate.Key{}:
		fmt.Fprintf(&out, "proved: %s with sha256 %s is in what %s stated to hold, verified and durable, by %s\n",
			p.Version.ID, p.Version.Checksum, p.Origin, p.At.Format(time.RFC3339))
	}
	if cfg.crate != "" {
		if err := attest.CheckCrate(cfg.crate, p.Version); err != nil {
			return "", err
		}
		fmt.Fprintf(&out, "%s is that crate file, byte for byte\n", cfg.crate)
	}
	fmt.Fprintf(&out, "%s states: %s\n", p.Origin, p.Sentence())
	if cfg.manifest == "" {
		return out.String(), nil
	}
	lines, err := attest.CheckManifest(cfg.manifest, p.Manifest)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(&out, "%s is covered by the statement up to line %d, and unchanged\n", cfg.manifest, lines)
	return out.String(), nil
}
