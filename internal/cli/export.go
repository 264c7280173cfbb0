package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/export"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// exportConfig is the flags of export; their Usage texts say what they mean.
type exportConfig struct {
	dirs           dirs
	static         string
	publicURL      string
	asOf           string
	prune          bool
	verifyExisting bool
	acceptShrink   bool
	gitIndex       bool
	log            logConfig
	progress       progressConfig
}

func exportCommand(a *App) *cli.Command {
	var cfg exportConfig
	return &cli.Command{
		Name:      "export",
		Usage:     "make a tree of the mirror that any web server, or a disk, gives to cargo",
		ArgsUsage: "-static DIR [-public-url URL] [-as-of DAY] [-mirror DIR] [options]",
		Description: "The tree has cargo's sparse index and the crate files under the names of\n" +
			"static.crates.io, hard links where the mirror has them loose on the same file system.\n" +
			"nginx, S3 and the like need no rule for it. Run it again to bring it up to date; any run\n" +
			"may be stopped and is gone on with by the next.\n\n" +
			"Index files that are not what the mirror shows are replaced or removed. Crate files stay,\n" +
			"also those that no line names any more, unless -prune is given.\n\n" +
			"With -as-of, the tree is the registry as it was on a day: the lines of then, and the bytes\n" +
			"that they name, also of versions that were published again since. Such a tree stays of that\n" +
			"commit: another day needs another folder.\n\n" + exitCodesHelp,
		Flags:        cfg.flags(),
		OnUsageError: onUsageError,
		Action:       action(cfg.check, func(ctx context.Context) error { return a.export(ctx, &cfg) }),
	}
}

func (cfg *exportConfig) flags() []cli.Flag {
	flags := append(cfg.dirs.flags(),
		&cli.StringFlag{Name: "static", Usage: "the tree is in `DIR`: an empty folder, or that of an earlier export", Destination: &cfg.static, TakesFile: true},
		&cli.StringFlag{Name: "public-url", Usage: "clients find the tree at `URL`: http, https, or file. Default: file and the path of -static", Destination: &cfg.publicURL},
		&cli.StringFlag{Name: "as-of", Usage: "the index as it was at the end of a `DAY`, YYYY-MM-DD in UTC, or at a commit that its id names (docs/time.md)", Destination: &cfg.asOf},
		&cli.BoolFlag{Name: "prune", Usage: "remove crate files from the tree that its index does not name any more", Destination: &cfg.prune},
		&cli.BoolFlag{Name: "verify-existing", Usage: "hash the crate files that are in the tree already; otherwise their size is looked at", Destination: &cfg.verifyExisting},
		&cli.BoolFlag{Name: "git-index", Value: true, Usage: "make index.git beside the sparse index, for cargo before 1.68 and for file: URLs, where cargo reads nothing else; without git, and for http, a warning takes its place", Destination: &cfg.gitIndex},
		&cli.BoolFlag{Name: "accept-shrink", Usage: "take index files out of the tree even if they are more than one in twenty", Destination: &cfg.acceptShrink},
	)
	flags = append(flags, cfg.log.flags()...)
	return append(flags, cfg.progress.flags()...)
}

// check refuses what makes no sense, before anything is touched.
func (cfg *exportConfig) check() error {
	if cfg.static == "" {
		return usagef("provide -static, the folder of the tree")
	}
	static, err := filepath.Abs(cfg.static)
	if err != nil {
		return err
	}
	cfg.static = static
	if cfg.publicURL == "" {
		cfg.publicURL = fileURL(static)
	}
	if cfg.publicURL, err = parseExportURL(cfg.publicURL); err != nil {
		return usagef("-public-url: %w", err)
	}
	if !cfg.gitIndex && cfg.byFile() {
		return usagef("-git-index=false: cargo reads no sparse index by file:, so %s needs index.git", cfg.publicURL)
	}
	cfg.dirs.fill()
	return errors.Join(cfg.log.check(), cfg.progress.check(), cfg.dirs.Check())
}

// parseExportURL checks the address of a tree, and takes slashes at its end away.
func parseExportURL(s string) (string, error) {
	if !strings.HasPrefix(s, "file:") {
		u, err := publicurl.Parse(s)
		return u.String(), err
	}
	s = strings.TrimRight(s, "/")
	u, err := url.Parse(s)
	if err != nil {
		return "", err
	}
	if u.Host != "" || !strings.HasPrefix(u.Path, "/") || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q has no absolute path: want file:///some/folder", s)
	}
	return s, nil
}

// fileURL is the URL of an absolute path.
func fileURL(abs string) string {
	abs = filepath.ToSlash(abs)
	if !strings.HasPrefix(abs, "/") { // C:/mirror
		abs = "/" + abs
	}
	return (&url.URL{Scheme: "file", Path: abs}).String()
}

// byFile reports whether cargo will read the tree from a disk, and so its index as
// a git repository.
func (cfg *exportConfig) byFile() bool { return strings.HasPrefix(cfg.publicURL, "file:") }

// export runs the command.
func (a *App) export(ctx context.Context, cfg *exportConfig) (err error) {
	show, log := a.terminal(&cfg.progress, &cfg.log)
	v, err := reader.Open(ctx, reader.Config{Out: cfg.dirs.Crates, BundlesOut: cfg.dirs.Bundles, IndexDir: cfg.dirs.Index, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	source, asOf, err := cfg.source(ctx, v)
	if err != nil {
		return err
	}
	out, lock, err := a.openExport(cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close(), lock.Release()) }()

	job := export.Config{
		Mirror: source, AsOf: asOf.Commit, Out: out, PublicURL: cfg.publicURL, Prune: cfg.prune, VerifyExisting: cfg.verifyExisting,
		AcceptShrink: cfg.acceptShrink, Log: log, Progress: new(export.Progress),
	}
	stop := show.Follow(exporting(job.Progress), log)
	summary, err := export.Run(ctx, job)
	stop()
	if err == nil && cfg.gitIndex {
		err = publishGit(ctx, cfg, lock, log)
	}
	if errors.As(err, new(*export.PointError)) {
		err = usagef("-static %s: %w", cfg.static, err)
	}
	if errors.Is(err, export.ErrEmpty) {
		err = verdict.Incompletef("%v; the export stays as it was", err)
	}
	if err != nil {
		return err
	}
	printExported(a.Stdout, summary, cfg, asOf)
	cfg.printCargoConfig(a.Stdout)
	return exportVerdict(summary)
}

// source is what is exported, and the commit that it is of if that is one of the past.
func (cfg *exportConfig) source(ctx context.Context, v *reader.View) (export.Mirror, index.Revision, error) {
	if cfg.asOf == "" {
		return v, index.Revision{}, nil
	}
	past, err := v.At(ctx, cfg.asOf)
	if err != nil {
		return nil, index.Revision{}, fmt.Errorf("-as-of: %w", err)
	}
	return v.Snapshot(past.Commit), past.Revision, nil
}

// openExport opens the folder of a tree and takes its lock.
func (a *App) openExport(cfg *exportConfig) (durable.FS, *durable.Lockfile, error) {
	out, err := home.CreateFolder(cfg.static, a.Disk)
	if err != nil {
		return nil, nil, err
	}
	err = export.Prepare(out)
	if errors.Is(err, export.ErrForeign) {
		err = usagef("-static %s: %w", cfg.static, err)
	}
	if err != nil {
		return nil, nil, errors.Join(err, out.Close())
	}
	lock, err := durable.Lock(filepath.Join(cfg.static, export.StateDir, "lock"), durable.Self(filepath.Base(os.Args[0])+" export -static "+cfg.static))
	if err != nil {
		return nil, nil, errors.Join(err, out.Close())
	}
	return out, lock, nil
}

// publishGit brings index.git up to what index has become.
func publishGit(ctx context.Context, cfg *exportConfig, lock *durable.Lockfile, log *slog.Logger) error {
	repo := filepath.Join(cfg.static, export.GitDir)
	changed, err := index.Publish(ctx, repo, filepath.Join(cfg.static, export.IndexDir), lock)
	switch {
	case errors.Is(err, exec.ErrNotFound) && !cfg.byFile():
		log.Warn("index.git was not updated, so cargo before 1.68 cannot use the export as it is: install git, or give -git-index=false", "err", err)
		return nil
	case err == nil && changed:
		log.Info("committed the index for git", "repository", repo)
	}
	return err
}

// exporting is the state of an export.
func exporting(p *export.Progress) func() console.State {
	return func() console.State {
		c := p.Snapshot()
		s := console.State{Done: c.Done, Total: c.Total, Processed: c.Done}
		s.Line = fmt.Sprintf(" %s of %s crates, %s versions, %s", human.Count(c.Done), human.Count(c.Total), human.Count(c.Versions), human.Size(c.Bytes))
		if n := c.Damaged + c.Failed; n > 0 {
			s.Line += fmt.Sprintf(", %s bad", human.Count(n))
		}
		s.Attrs = []any{"crates", c.Done, "total", c.Total, "versions", c.Versions, "bytes", c.Bytes, "bad", c.Damaged + c.Failed}
		return s
	}
}

// printExported tells a person what an export has come to.
func printExported(w io.Writer, s *export.Summary, cfg *exportConfig, asOf index.Revision) {
	if asOf.Commit != "" {
		fmt.Fprintf(w, "as of %s: commit %s\n", cfg.asOf, asOf)
	}
	fmt.Fprintf(w, "%s of %s (%s) are in %s\n", human.Plural(s.Versions, "version"), human.Plural(s.Crates, "crate"), human.Size(s.Bytes), cfg.static)
	row := console.Rows(w)
	row(s.Kept, "were there")
	row(s.Linked, "files linked")
	row(s.Copied, "files copied")
	row(s.Index, "index files written")
	row(s.Removed, "index files removed: nothing of these crates is shown any more")
	row(s.Pruned, "crate files removed that no line names")
	row(s.Left, "lines of these crates left out: the mirror does not hold their bytes")
	row(s.Damaged, "not exported: the mirror's copy is damaged")
	row(s.Failed, "could not be read or written")
	console.Problems{First: s.Problems, All: s.Damaged + s.Failed}.Print(w)
}

// printCargoConfig prints what cargo needs.
func (cfg *exportConfig) printCargoConfig(w io.Writer) {
	if !cfg.byFile() {
		printCargoConfig(w, cfg.publicURL)
		return
	}
	fmt.Fprintf(w, `# for $CARGO_HOME/config.toml (~/.cargo/config.toml), or .cargo/config.toml of a project
[source.crates-io]
replace-with = "mirror"

[source.mirror]
registry = %q
`, cfg.publicURL+"/"+export.GitDir)
}

// exportVerdict is the error that an export deserves which went through to its
// end.
func exportVerdict(s *export.Summary) error {
	var errs []error
	if s.Damaged > 0 {
		errs = append(errs, verdict.Integrityf("%s damaged in the mirror and not in the export: clonecratesio verify -repair, then run this again", human.Plural(s.Damaged, "version")))
	}
	if s.Failed > 0 {
		errs = append(errs, verdict.Incompletef("incomplete: what could not be read or written is listed above; run this again"))
	}
	return errors.Join(errs...)
}
