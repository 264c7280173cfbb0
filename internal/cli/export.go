package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/airgapcli"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/export"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy/survey"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// exportConfig holds the flags of export. The Usage texts document them.
type exportConfig struct {
	dirs           flags.Dirs
	static         string
	layout         string
	state          string
	publicURL      string
	asOf           string
	policy         string
	prune          bool
	verifyExisting bool
	acceptShrink   bool
	gitIndex       bool
	transfer       airgapcli.Transfer
	log            flags.Log
	progress       flags.Progress

	address export.Address // parsed -public-url; check sets it
	form    export.Layout  // parsed -layout; check sets it
	part    flags.Part
}

func exportCommand(a *App) *cli.Command {
	var cfg exportConfig
	return &cli.Command{
		Name:         "export",
		Usage:        "write the mirror as files for any web server, disk or bucket, or as a transfer across an air gap",
		ArgsUsage:    "-static DIR | -to s3://BUCKET/PREFIX [-public-url URL] [-as-of DAY] [-mirror DIR] [options]\n       clonecratesio export -to DIR -full | -since last [-volume SIZE] [-parity N%] [-sign KEY] [-plan]",
		Description:  helpText("export", "exit-codes"),
		Flags:        cfg.flags(),
		OnUsageError: program.OnUsageError,
		Action:       program.Action(cfg.check, func(ctx context.Context) error { return a.export(ctx, &cfg) }),
	}
}

func (cfg *exportConfig) flags() []cli.Flag {
	list := append(cfg.dirs.Flags(),
		&cli.StringFlag{Name: "static", Usage: "write the tree to `DIR`: an empty folder, or that of an earlier export", Destination: &cfg.static, TakesFile: true},
		&cli.StringFlag{Name: "layout", Value: export.Static.String(), Usage: "`static|panamax|local-registry`: layout for any web server, that of a panamax mirror, or one that cargo reads without an index protocol (docs/static-export.md)", Destination: &cfg.layout},
		&cli.StringFlag{Name: "state", Usage: "with -to and a bucket: remember in `DIR` what the bucket has, so that the next run need not list it; default: in the mirror", Destination: &cfg.state, TakesFile: true},
		&cli.StringFlag{Name: "public-url", Usage: "clients reach the tree at `URL`: http, https, or file. Default: file and the path of -static", Destination: &cfg.publicURL},
		&cli.StringFlag{Name: "as-of", Usage: "export the registry as it was at the end of `DAY`, YYYY-MM-DD in UTC, or at a commit, by its id (docs/time.md)", Destination: &cfg.asOf},
		&cli.StringFlag{Name: "policy", Usage: "leave out the versions that the policy in `FILE` hides (docs/policy.md)", Destination: &cfg.policy, TakesFile: true},
		&cli.BoolFlag{Name: "prune", Usage: "remove crate files that the index no longer names from the tree", Destination: &cfg.prune},
		&cli.BoolFlag{Name: "verify-existing", Usage: "hash crate files that are already in the tree; otherwise only their size is checked", Destination: &cfg.verifyExisting},
		&cli.BoolFlag{Name: "git-index", Value: true, Usage: "write index.git beside the sparse index, for cargo before 1.68 and for file: URLs, where cargo reads nothing else; if git is missing, an export for http only warns", Destination: &cfg.gitIndex},
		&cli.BoolFlag{Name: "accept-shrink", Usage: "remove index files from the tree even if they are more than one in twenty", Destination: &cfg.acceptShrink},
	)
	list = append(list, cfg.transfer.Flags()...)
	list = append(list, cfg.part.Flags()...)
	list = append(list, cfg.log.Flags()...)
	return append(list, cfg.progress.Flags()...)
}

// check rejects contradictory flags before anything is changed.
func (cfg *exportConfig) check() error {
	if cfg.inBucket() {
		return cfg.checkBucket()
	}
	if carries, err := cfg.transfer.Check(); carries || err != nil {
		if cfg.policy != "" && err == nil {
			err = flags.Usagef("-policy is of a tree: a transfer carries what the mirror holds, and the far side serves it with a policy, which -carry-policy takes along")
		}
		if cfg.static != "" && err == nil {
			err = flags.Usagef("give either -static, for a tree, or -to, for a transfer")
		}
		cfg.dirs.Fill()
		return errors.Join(err, cfg.log.Check(), cfg.progress.Check(), cfg.dirs.CheckWhole())
	}
	switch {
	case cfg.static == "":
		return flags.Usagef("provide -static, the folder of the tree, or -to, its bucket")
	case cfg.state != "":
		return flags.Usagef("-state goes with -to and a bucket: a folder remembers what is in it")
	}
	static, err := filepath.Abs(cfg.static)
	if err != nil {
		return err
	}
	cfg.static = static
	if cfg.address, err = export.ParseAddress(cmp.Or(cfg.publicURL, export.AddressOf(static))); err != nil {
		return flags.Usagef("-public-url: %w", err)
	}
	if err := cfg.checkLayout(); err != nil {
		return err
	}
	if !cfg.gitIndex && cfg.address.ByFile() && cfg.form == export.Static {
		return flags.Usagef("-git-index=false: cargo reads no sparse index by file:, so %s needs index.git", cfg.address)
	}
	cfg.dirs.Fill()
	return errors.Join(cfg.part.Check(), cfg.log.Check(), cfg.progress.Check(), cfg.dirs.CheckWhole())
}

// checkLayout parses -layout, and rejects flags that do not work with it.
func (cfg *exportConfig) checkLayout() (err error) {
	switch cfg.form, err = export.ParseLayout(cfg.layout); {
	case err != nil:
		return flags.Usagef("-layout %w", err)
	case cfg.part.Chooses() && cfg.asOf != "":
		return flags.Usagef("-as-of is all of a day: -crates, -lockfile and -latest choose from the index as it is now")
	case cfg.form == export.LocalRegistry && cfg.publicURL != "":
		return flags.Usagef("-layout local-registry: cargo reads it from a folder alone, without -public-url")
	case cfg.form == export.Panamax && cfg.prune:
		return flags.Usagef("-prune does not know -layout panamax")
	case cfg.form == export.Panamax && !cfg.gitIndex:
		return flags.Usagef("-git-index=false: the index of -layout panamax is a git repository")
	}
	return nil
}

// inBucket reports whether -to is the address of a bucket rather than a folder.
func (cfg *exportConfig) inBucket() bool { return strings.Contains(cfg.transfer.To, "://") }

// checkBucket is check for an export to a bucket.
func (cfg *exportConfig) checkBucket() (err error) {
	if cfg.part.Chooses() || cfg.layout != export.Static.String() {
		return flags.Usagef("-crates, -lockfile, -latest and -layout are of a tree in a folder: give -static, not -to")
	}
	if cfg.static != "" || cfg.transfer.Asked() {
		return flags.Usagef("-to %s is a tree in a bucket: give no -static, and nothing that is of a transfer, which is a folder", cfg.transfer.To)
	}
	if cfg.publicURL == "" {
		return flags.Usagef("provide -public-url, where clients find the bucket by http or https")
	}
	if cfg.address, err = export.ParseAddress(cfg.publicURL); err == nil && cfg.address.ByFile() {
		err = errors.New("cargo reads a bucket by http or https")
	}
	if err != nil {
		return flags.Usagef("-public-url: %w", err)
	}
	cfg.dirs.Fill()
	return errors.Join(cfg.log.Check(), cfg.progress.Check(), cfg.dirs.CheckWhole())
}

// export writes a tree to a folder or a bucket, or a transfer.
func (a *App) export(ctx context.Context, cfg *exportConfig) (err error) {
	if cfg.inBucket() {
		return a.exportTo(ctx, cfg)
	}
	show, log := cfg.progress.Terminal(a.Stderr, &cfg.log)
	if cfg.transfer.To != "" {
		return cfg.transfer.Run(ctx, &a.App, &cfg.dirs.Dirs, log)
	}
	v, err := reader.Open(ctx, reader.Config{Dirs: cfg.dirs.Dirs, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, v.Close()) }()
	source, asOf, done, err := cfg.source(ctx, v, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	source, part, err := cfg.choose(ctx, source, show, log)
	if err != nil {
		return err
	}
	tree, err := export.OpenTree(cfg.static, a.Folder, durable.Self(filepath.Base(os.Args[0])+" export -static "+cfg.static))
	if errors.Is(err, export.ErrForeign) {
		err = flags.Usagef("-static %s: %w", cfg.static, err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tree.Close()) }()

	job := export.Config{
		Mirror: source, AsOf: asOf.Commit, Out: tree.Folder, Layout: cfg.form, PublicURL: string(cfg.address), Prune: cfg.prune, VerifyExisting: cfg.verifyExisting,
		AcceptShrink: cfg.acceptShrink, Log: log, Progress: new(export.Progress),
	}
	stop := show.Follow(job.Progress.State, log)
	summary, err := export.Run(ctx, job)
	stop()
	if err == nil && cfg.gitIndex {
		err = tree.PublishGit(ctx, cfg.form, cfg.address, log)
	}
	if errors.As(err, new(*export.PointError)) || errors.Is(err, export.ErrLayout) {
		err = flags.Usagef("-static %s: %w", cfg.static, err)
	}
	if errors.Is(err, export.ErrEmpty) {
		err = verdict.Incompletef("%v; the export stays as it was", err)
	}
	if err != nil {
		return err
	}
	if asOf.Commit != "" {
		fmt.Fprintf(a.Stdout, "as of %s: commit %s\n", cfg.asOf, asOf)
	}
	summary.Print(console.Wrap(a.Stdout), cfg.static)
	fmt.Fprint(a.Stdout, cfg.form.CargoConfig(cfg.address, cfg.static))
	if lacking := part.Versions - summary.Versions; lacking > 0 {
		err = verdict.Incompletef("incomplete: %d of the %d versions chosen are not in the tree; clonecratesio sync with the same choice fetches what is not held", lacking, part.Versions)
	}
	return errors.Join(summary.Verdict(), err)
}

// choose returns the part of m that the flags choose, or m itself if they choose everything.
func (cfg *exportConfig) choose(ctx context.Context, m export.Mirror, show *console.Display, log *slog.Logger) (export.Mirror, *flags.Chosen, error) {
	if !cfg.part.Chooses() {
		return m, &flags.Chosen{}, nil
	}
	ix, err := cfg.dirs.OpenIndex(ctx, log)
	if err != nil {
		return nil, nil, err
	}
	defer ix.Close()
	part, err := cfg.part.Choice(ctx, ix, true, show, log)
	if err != nil {
		return nil, nil, err
	}
	for _, bad := range part.Bad {
		log.Warn("a choice that the index does not name", "err", bad.Err)
	}
	return export.Chosen(m, part), part, nil
}

// source returns the mirror to export, and its revision if -as-of was given. The caller must
// call done when it no longer needs the mirror.
func (cfg *exportConfig) source(ctx context.Context, v *reader.View, log *slog.Logger) (m export.Mirror, asOf index.Revision, done func() error, err error) {
	m, done = v, func() error { return nil }
	if cfg.asOf != "" {
		past, err := v.At(ctx, cfg.asOf)
		if err != nil {
			return nil, asOf, nil, fmt.Errorf("-as-of: %w", err)
		}
		m, asOf = v.Snapshot(past.Commit), past.Revision
	}
	if cfg.policy == "" {
		return m, asOf, done, nil
	}
	p, err := policy.Load(ctx, cfg.policy)
	if err != nil {
		return nil, asOf, nil, err
	}
	asked, err := survey.Ask(ctx, v, cfg.dirs.Dirs, p, time.Now(), log)
	if err != nil {
		return nil, asOf, nil, err
	}
	return &survey.Exported{Mirror: m, By: asked}, asOf, asked.Close, nil
}
