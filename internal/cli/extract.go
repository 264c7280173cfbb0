package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extract"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

// allBundles matches bundles of this program and of v1.1.0.
const allBundles = "*.tar.zst"

// extractConfig holds the flags of extract. The Usage texts document them.
type extractConfig struct {
	bundlesDir, pattern   string
	deepDir               string
	out                   string
	indexDir              string
	overwrite, unverified bool
	superseded            bool
	durability            flags.Durability
	log                   flags.Log
	progress              flags.Progress
}

func extractCommand(a *App, name string) *cli.Command {
	var cfg extractConfig
	return &cli.Command{
		Name:         name,
		Usage:        "extract crates from bundles or the deep archive, and verify each",
		ArgsUsage:    "-bundles-dir DIR|-deep-dir DIR -out DIR [-index-dir DIR] [options]",
		Description:  helpText("extract", "exit-codes"),
		Flags:        cfg.flags(),
		OnUsageError: program.OnUsageError,
		Action:       program.Action(cfg.check, func(ctx context.Context) error { return a.extract(ctx, &cfg) }),
	}
}

func (cfg *extractConfig) flags() []cli.Flag {
	list := []cli.Flag{
		&cli.StringFlag{Name: "bundles-dir", Usage: "read bundles in `DIR`", Destination: &cfg.bundlesDir, TakesFile: true},
		&cli.StringFlag{Name: "pattern", Value: allBundles, Usage: "read only bundles whose file names match `GLOB`", Destination: &cfg.pattern},
		&cli.StringFlag{Name: "deep-dir", Usage: "instead of bundles, read the segments of a deep archive in `DIR`", Destination: &cfg.deepDir, TakesFile: true},
		&cli.StringFlag{Name: "out", Usage: "write crate files to `DIR`", Destination: &cfg.out, TakesFile: true},
		flags.IndexDir(&cfg.indexDir, "verify every crate against the index in `DIR`, your own: a checkout, a bare repository or a plain folder"),
		&cli.BoolFlag{Name: "unverified", Usage: "without -index-dir and a manifest, trust what a bundle or a segment says about itself", Destination: &cfg.unverified},
		&cli.BoolFlag{Name: "overwrite", Usage: "move existing files that are not the crate to quarantine/, or to republished/ if they are what the version was before; without this flag they are only listed", Destination: &cfg.overwrite},
		&cli.BoolFlag{Name: "superseded", Usage: "also extract, to republished/, the bytes that versions had before they were published again", Destination: &cfg.superseded},
		cfg.durability.Flag(),
	}
	list = append(list, cfg.log.Flags()...)
	return append(list, cfg.progress.Flags()...)
}

// check rejects contradictory flags before anything is changed.
func (cfg *extractConfig) check() error {
	if (cfg.bundlesDir == "") == (cfg.deepDir == "") || cfg.out == "" {
		return flags.Usagef("provide -bundles-dir or -deep-dir, and -out")
	}
	if _, err := path.Match(cfg.pattern, ""); err != nil || strings.ContainsAny(cfg.pattern, "/") {
		return flags.Usagef("-pattern %q is no pattern of file names", cfg.pattern)
	}
	if cfg.deepDir != "" && cfg.pattern != allBundles {
		return flags.Usagef("-pattern chooses bundles of -bundles-dir; of -deep-dir all segments are taken")
	}
	if cfg.indexDir != "" && cfg.unverified {
		return flags.Usagef("-index-dir verifies what -unverified does not: provide one of them")
	}
	for flag, dir := range map[string]string{"-bundles-dir": cfg.bundlesDir, "-deep-dir": cfg.deepDir, "-index-dir": cfg.indexDir} {
		if info, err := os.Stat(dir); dir != "" && (err != nil || !info.IsDir()) {
			return flags.Usagef("%s %s is not a directory", flag, dir)
		}
	}
	return errors.Join(cfg.durability.Check(), cfg.log.Check(), cfg.progress.Check())
}

// extract extracts crates into -out, and prints a summary.
func (a *App) extract(ctx context.Context, cfg *extractConfig) (err error) {
	show, log := cfg.progress.Terminal(a.Stderr, &cfg.log)
	bundles, err := durable.Open(cmp.Or(cfg.bundlesDir, cfg.deepDir))
	if err != nil {
		return err
	}
	defer bundles.Close()
	names, err := cfg.find(bundles)
	if err != nil {
		return err
	}
	ix, closeIndex, err := openIndex(ctx, cfg.indexDir, log)
	if err != nil {
		return err
	}
	defer closeIndex()
	to, err := home.Hold(a.HomeConfig(&flags.Run{Home: home.Dirs{Crates: cfg.out}, Durability: cfg.durability}, log))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	job := extract.Config{
		Bundles: bundles, Names: names, Store: to.Loose, Out: to.Crates, Index: ix,
		Unverified: cfg.unverified, Overwrite: cfg.overwrite, Superseded: cfg.superseded, Log: log, Progress: extract.NewProgress(),
	}
	if err = to.OpenCatalog(); err == nil {
		job.Catalog = to.Catalog
	} else { // extract without a catalog: reindex can rebuild it
		log.Warn("what is extracted gets no catalog; clonecratesio reindex makes one", "out", cfg.out, "err", err)
	}
	stop := show.Follow(job.Progress.State, log)
	summary, err := extract.Run(ctx, job)
	stop()
	printExtracted(console.Wrap(a.Stdout), summary, cfg, ix)
	return errors.Join(err, summary.Verdict(cfg.out))
}

// list returns the names of the bundles or segments. Errors: *flags.UsageError if there are none.
func (cfg *extractConfig) list(folder durable.Reader) (names []string, err error) {
	if cfg.deepDir != "" {
		if names, err = extract.FindSegments(folder); err == nil && len(names) == 0 {
			err = flags.Usagef("-deep-dir %s has no segment (deep-NNNN.zst)", cfg.deepDir)
		}
		return names, err
	}
	if names, err = extract.Find(folder, cfg.pattern); err == nil && len(names) == 0 {
		err = flags.Usagef("-bundles-dir %s has no file that matches -pattern %q", cfg.bundlesDir, cfg.pattern)
	}
	return names, err
}

// find is list; it also returns a *flags.UsageError if the crates' checksums are unknown.
func (cfg *extractConfig) find(bundles durable.Reader) ([]string, error) {
	names, err := cfg.list(bundles)
	if err != nil {
		return nil, err
	}
	if cfg.indexDir != "" || cfg.unverified {
		return names, nil
	}
	err = extract.CheckManifests(bundles, names)
	if errors.As(err, new(*extract.NoChecksumsError)) {
		err = flags.Usagef("%w; give -index-dir (your own copy of crates.io-index), or -unverified to take what it says of itself", err)
	}
	return names, err
}

// openIndex opens the index in dir, nil if dir is "", and returns a function that closes it.
func openIndex(ctx context.Context, dir string, log *slog.Logger) (*index.Index, func(), error) {
	if dir == "" {
		return nil, func() {}, nil
	}
	ix, err := index.Open(ctx, dir, index.Options{Log: log})
	if err != nil {
		return nil, nil, err
	}
	return ix, func() { ix.Close() }, nil
}

// printExtracted prints the result of an extraction for people.
func printExtracted(w io.Writer, s *extract.Summary, cfg *extractConfig, ix *index.Index) {
	are := "are"
	if s.OK() == 1 {
		are = "is"
	}
	fmt.Fprintf(w, "%s of %s %s in %s, verified and durable (%s, %s/s, %s written)\n",
		human.Plural(s.OK(), "crate"), human.Plural(s.Bundles, cfg.source()), are, cfg.out, s.Elapsed.Round(10*time.Millisecond), human.Count(int64(s.Rate())), human.Size(s.Bytes))
	fmt.Fprintf(w, "%12s  %s\n", "checked", "against "+cfg.authority(ix))
	row := console.Rows(w)
	row(s.Extracted, "extracted")
	row(s.Kept, "there already, hashed")
	row(s.Replaced, "files that were there moved to quarantine")
	row(s.Shelved, "files moved to republished: what versions were before they were published again")
	if cfg.superseded {
		row(s.Superseded, "members are earlier bytes of versions that were published again: they are in republished")
	} else {
		row(s.Superseded, "members are earlier bytes of versions that were published again; not extracted, -superseded does")
	}
	var all int64
	for _, k := range extract.Kinds() {
		row(s.Counts.Problems[k], k.String())
		all += s.Counts.Problems[k]
	}
	first := make([]error, len(s.Problems))
	for i := range s.Problems {
		first[i] = &s.Problems[i]
	}
	console.Problems{Heading: "not as it should be:", First: first, All: all, More: ", which the log names"}.Print(w)
}

// source returns the noun for the files that crates are extracted from.
func (cfg *extractConfig) source() string {
	if cfg.deepDir != "" {
		return "segment"
	}
	return "bundle"
}

// authority returns words for the source of the checksums that crates were checked against.
func (cfg *extractConfig) authority(ix *index.Index) string {
	switch {
	case ix != nil && ix.Commit() != "":
		return fmt.Sprintf("the index at commit %.12s of %s", ix.Commit(), ix.CommitTime().UTC().Format(time.DateOnly))
	case ix != nil:
		return "the index in " + cfg.indexDir
	case cfg.deepDir != "":
		return "only the segments, which their maker could forge"
	case cfg.unverified:
		return "the manifests beside the bundles where there are any, else against nothing but the bundles"
	}
	return "the manifests beside the bundles, which the maker of the bundles could forge"
}
