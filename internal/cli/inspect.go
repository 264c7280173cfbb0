package cli

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"github.com/go-json-experiment/json"
	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extract"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// inspectConfig is the flags of inspect; their Usage texts say what they mean.
type inspectConfig struct {
	json, rebuild bool
	sha256        string
	out, indexDir string
	log           flags.Log
}

func inspectCommand(a *App) *cli.Command {
	var cfg inspectConfig
	return &cli.Command{
		Name:        "inspect",
		Usage:       "list a bundle, or a segment of the deep archive, and read it to its last byte, or take one crate out of it",
		ArgsUsage:   "BUNDLE|SEGMENT [NAME VERSION]",
		Description: helpText("inspect", "exit-codes"),
		Flags: append([]cli.Flag{
			flags.JSON(&cfg.json, "a line of JSON a member, and one about the bundle at the end"),
			&cli.BoolFlag{Name: "rebuild", Usage: "of a segment: rebuild and hash each .crate, not only its tar; some 50 ms a MB", Destination: &cfg.rebuild},
			flags.IndexDir(&cfg.indexDir, "crates.io-index which the one crate must match, as for extract, in `DIR`; without it the manifest beside the bundle"),
			&cli.StringFlag{Name: "sha256", Usage: "the one crate is the bytes with this `CHECKSUM`: a version that was published again is there with several", Destination: &cfg.sha256},
			&cli.StringFlag{Name: "out", Usage: "write the one crate to `FILE`, which must not exist", Destination: &cfg.out, TakesFile: true},
		}, cfg.log.Flags()...),
		OnUsageError: onUsageError,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			return usageOf(cmd, a.inspect(ctx, &cfg, cmd.Args().Slice()))
		},
	}
}

// inspect runs the command.
func (a *App) inspect(ctx context.Context, cfg *inspectConfig, args []string) error {
	if err := cfg.log.Check(); err != nil {
		return err
	}
	if len(args) != 1 && len(args) != 3 {
		return flags.Usagef("provide BUNDLE, or BUNDLE NAME VERSION")
	}
	folder, err := durable.Open(filepath.Dir(args[0]))
	if err != nil {
		return err
	}
	defer folder.Close()
	name := filepath.Base(args[0])
	if len(args) == 1 {
		if cfg.out != "" || cfg.indexDir != "" || cfg.sha256 != "" {
			return flags.Usagef("-out, -index-dir and -sha256 are for one crate: provide BUNDLE NAME VERSION")
		}
		if isSegment(name) {
			return a.inspectSegment(ctx, cfg, folder, name)
		}
		return a.inspectAll(ctx, cfg, folder, name)
	}
	if cfg.json {
		return flags.Usagef("-json is for the list of a bundle: provide BUNDLE alone")
	}
	id := crate.ID{Name: args[1], Version: args[2]}
	if err := id.Check(); err != nil {
		return flags.Usagef("%w", err)
	}
	key := crate.Key{ID: id}
	if cfg.sha256 != "" {
		if cfg.indexDir != "" {
			return flags.Usagef("-sha256 says what the crate must be, and so does -index-dir: provide one of them")
		}
		if key.Checksum, err = crate.ParseChecksum(cfg.sha256); err != nil {
			return flags.Usagef("-sha256: %w", err)
		}
	}
	if isSegment(name) {
		return a.inspectRebuilt(ctx, cfg, folder, name, key)
	}
	return a.inspectOne(ctx, cfg, folder, name, key)
}

// inspected is what there is to say about a bundle.
type inspected struct {
	Bundle   string   `json:"bundle"`
	Format   string   `json:"format"`
	FileSize int64    `json:"file_size"`
	Members  int64    `json:"members"`
	Size     int64    `json:"size_bytes"` // of all crates
	Healthy  bool     `json:"healthy"`
	Problems []string `json:"problems,omitzero"`
}

// inspectedMember is the -json line of a member.
type inspectedMember struct {
	Crate     string `json:"crate"`
	Version   string `json:"version"`
	Member    string `json:"bundle_member"`
	Size      int64  `json:"size"`
	SHA256    string `json:"sha256"`
	Offset    int64  `json:"offset,omitzero"`
	FrameSize int64  `json:"frame_size,omitzero"`
}

// inspectAll lists a bundle while it reads it, so that memory does not grow
// with it, and says at the end how it is.
func (a *App) inspectAll(ctx context.Context, cfg *inspectConfig, folder durable.Reader, name string) error {
	s := inspected{Bundle: name}
	report, err := extract.Inspect(ctx, folder, name, func(m bundle.Member) error {
		s.Members++
		s.Size += m.Size
		return printMember(a.Stdout, cfg.json, m)
	})
	if err != nil {
		return err
	}
	s.Format, s.FileSize, s.Healthy = string(report.Format), report.FileSize, len(report.Problems) == 0
	for _, p := range report.Problems {
		s.Problems = append(s.Problems, p.Error())
	}
	if err := printInspected(a.Stdout, cfg.json, &s); err != nil || s.Healthy {
		return err
	}
	return verdict.Integrityf("%q is not healthy; what is wrong is listed above. extract takes what is good, if an index or a manifest vouches for it", name)
}

func printMember(w io.Writer, asJSON bool, m bundle.Member) error {
	if asJSON {
		return printJSON(w, inspectedMember{m.ID.Name, m.ID.Version, m.ID.LoosePath(), m.Size, m.Checksum.String(), m.Offset, m.FrameSize})
	}
	_, err := fmt.Fprintf(w, "%12d %11d %11d  %s  %s\n", m.Offset, m.FrameSize, m.Size, m.Checksum, m.ID)
	return err
}

func printInspected(w io.Writer, asJSON bool, s *inspected) error {
	if asJSON {
		return printJSON(w, s)
	}
	fmt.Fprintf(w, "%q: %s, %s of crates in a file of %s", s.Bundle, human.Plural(s.Members, "member"), human.Size(s.Size), human.Size(s.FileSize))
	if s.Size > 0 {
		fmt.Fprintf(w, " (ratio %.3f)", float64(s.FileSize)/float64(s.Size))
	}
	fmt.Fprintf(w, ", %s\n", s.Format)
	for _, p := range s.Problems {
		fmt.Fprintf(w, "  %s\n", p)
	}
	if s.Healthy {
		fmt.Fprintf(w, "healthy: read to its last byte, all checksums are right\n")
	}
	return nil
}

func printJSON(w io.Writer, v any) error {
	line, err := json.Marshal(v)
	if err == nil {
		_, err = w.Write(append(line, '\n'))
	}
	return err
}
