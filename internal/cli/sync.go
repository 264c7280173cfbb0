package cli

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/attest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
)

// syncConfig is the flags of sync.
type syncConfig struct {
	dirs            dirs
	indexURL        string
	checkout        bool
	skipIndexUpdate bool
	keepDays        int
	excludeYanked   bool
	sidecars        bool
	every           time.Duration
	attest          signersConfig
	part            selectConfig
	runConfig
}

func syncCommand(a *App) *cli.Command {
	var cfg syncConfig
	return &cli.Command{
		Name:         "sync",
		Usage:        "update the index and mirror what it names; with -every, for good",
		ArgsUsage:    "[-mirror DIR] [-bundle] [-every 10m] [options]",
		Description:  exitCodesHelp,
		Flags:        cfg.flags(),
		OnUsageError: onUsageError,
		Action:       action(cfg.check, func(ctx context.Context) error { return a.sync(ctx, &cfg) }),
	}
}

func (cfg *syncConfig) flags() []cli.Flag {
	flags := append(cfg.dirs.flags(), cfg.dirs.manifestFlag(), cfg.dirs.logDirFlag(),
		&cli.StringFlag{Name: "index-url", Usage: "git repository of the index, `URL`: https, ssh, git, http or file (default: the one that the index was cloned from, or " + index.DefaultURL + ")", Destination: &cfg.indexURL},
		&cli.BoolFlag{Name: "checkout", Usage: "clone the index with a working tree: read faster, 3 GB more; one that is there stays as it is", Destination: &cfg.checkout},
		&cli.BoolFlag{Name: "skip-index-update", Usage: "take the index as it is", Destination: &cfg.skipIndexUpdate},
		&cli.IntFlag{Name: "keep-days", Usage: "keep of the index's past every day of the last `N`, and the last day of each month before (default: every day)", HideDefault: true, Destination: &cfg.keepDays},
		&cli.BoolFlag{Name: "exclude-yanked", Usage: "leave yanked versions out (builds with a Cargo.lock need them)", Destination: &cfg.excludeYanked},
		&cli.BoolFlag{Name: "sidecars", Usage: "write sidecars, a file of JSON a version, beside the crates, and keep them up to date", Destination: &cfg.sidecars},
		&cli.StringSliceFlag{Name: "attest", Usage: "when all is held, state that under a signature by the private key in `FILE`, as clonecratesio attest does; with -every once an hour", Destination: &cfg.attest.keys, TakesFile: true},
		cfg.attest.password.flag(),
		&cli.DurationFlag{Name: "every", Usage: "follow: do it again every so often, such as 10m, until stopped", Destination: &cfg.every},
	)
	flags = append(flags, cfg.part.flags()...)
	return append(flags, cfg.runConfig.flags()...)
}

// minEvery keeps a slip of the hand (ns for m) from becoming a nuisance upstream.
const minEvery = time.Second

func (cfg *syncConfig) check() error {
	if cfg.every != 0 && cfg.every < minEvery {
		return usagef("-every is %v, want %v or more", cfg.every, minEvery)
	}
	if cfg.skipIndexUpdate && (cfg.indexURL != "" || cfg.checkout || cfg.keepDays != 0) {
		return usagef("-skip-index-update makes nothing of -index-url, -checkout and -keep-days")
	}
	if cfg.keepDays < 0 {
		return usagef("-keep-days is %d, want 1 or more, or 0 for every day", cfg.keepDays)
	}
	if cfg.sidecars && cfg.part.chooses() {
		return usagef("-sidecars describes all of the index, not a part of it")
	}
	if len(cfg.attest.keys) > 0 && (cfg.part.chooses() || cfg.excludeYanked) {
		return usagef("-attest states that all of the index is held: for a part of it there is clonecratesio attest -partial")
	}
	cfg.dirs.fill()
	cfg.home = cfg.dirs.Dirs
	return errors.Join(cfg.part.check(), cfg.runConfig.check())
}

// sync runs the command.
func (a *App) sync(ctx context.Context, cfg *syncConfig) (err error) {
	show, log := a.terminal(&cfg.progress, &cfg.log)
	if err := cfg.net.fitOpenFiles(log); err != nil {
		return err
	}
	if err := cfg.checkIndex(ctx, log); err != nil {
		return err
	}
	s := &syncer{app: a, cfg: cfg}
	if s.signers, err = cfg.attest.open(ctx, a); err != nil {
		return err
	}
	if s.session, err = newSession(ctx, &cfg.runConfig, show, log); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.to.close()) }()
	s.hintBundles()
	if err := cfg.origin.resolveIn(ctx, cfg.dirs.Index, s.log); err != nil {
		s.log.Debug("the index will say where crates are once it is updated", "err", err)
	}
	if cfg.every > 0 {
		return s.follow(ctx)
	}
	err = a.session(ctx, s.session, func(open *session) error {
		s.session, s.recorded = *open, false
		return s.round(ctx)
	})
	if s.summary != nil && s.summary.Plan != nil { // otherwise it did not get to know what is wanted
		logSummary(s.log, s.summary, &cfg.runConfig)
		printSummary(s.to.results(a), s.summary, &cfg.runConfig)
	}
	if s.statement != nil {
		err = errors.Join(err, printStatement(s.to.results(a), s.statement, &cfg.home))
	}
	return err
}

// checkIndex looks at an index that will not be updated before anything is
// touched for it.
func (cfg *syncConfig) checkIndex(ctx context.Context, log *slog.Logger) error {
	if !cfg.skipIndexUpdate || cfg.acceptShrink {
		return nil
	}
	ix, err := cfg.dirs.OpenIndex(ctx, log)
	if err != nil {
		return err
	}
	return errors.Join(ix.CheckNotEmpty(ctx), ix.Close())
}

// syncer makes the rounds of a sync.
type syncer struct {
	app *App
	cfg *syncConfig
	session
	base      *baseline       // nil: everything is to be looked at
	described error           // the verdict on the sidecars of this round
	summary   *mirror.Summary // of the last run, nil if there was none in this round
	answered  bool            // upstream has given out the index to this process
	signers   *attest.Signers // of statements; nil: none are made
	statement *attest.Result  // the last one of this process; nil: there is none
	recorded  bool            // the manifest of a run of this process has all that was held
}

// round does everything once. An error that is not a verdict means that the
// round could not go on.
func (s *syncer) round(ctx context.Context) error {
	s.summary, s.described = nil, nil
	for _, step := range []func(context.Context) error{s.updateIndex, s.mirrorCrates} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if err := s.verdict(); err != nil {
		return err
	}
	return s.state(ctx)
}

// statementInterval is how often a mirror that follows states what it holds. Each
// time, the whole catalog is compared with the index.
const statementInterval = time.Hour

// state states what is held, if that is asked for and it is time.
func (s *syncer) state(ctx context.Context) error {
	if s.signers == nil || s.statement != nil && time.Since(s.statement.At) < statementInterval {
		return nil
	}
	s.act.enter("stating what is held", "")
	r, err := s.app.state(ctx, s.Writer, &s.cfg.dirs.Dirs, s.signers, s.log, func(job *attest.Config) { job.Partial = s.cfg.allowMissing })
	if err != nil {
		return err
	}
	s.statement = r
	s.log.Info("stated what is held", "held", r.Held, "of", r.Named, "leaves", r.N, "new", r.New, "log", s.cfg.dirs.Statements)
	return nil
}

// updateIndex brings the index to what upstream has.
func (s *syncer) updateIndex(ctx context.Context) error {
	if s.cfg.skipIndexUpdate {
		return nil
	}
	const phase = "updating the index"
	s.act.enter(phase, "")
	defer s.show.Follow(func() console.State { return gitState(phase, s.act.doing()) }, s.log)()
	up, err := index.Update(ctx, index.UpdateConfig{
		Dir: s.cfg.dirs.Index, URL: s.cfg.indexURL, Checkout: s.cfg.checkout,
		KeepDays: s.cfg.keepDays, AcceptShrink: s.cfg.acceptShrink,
		Progress: func(text string) { s.act.enter(phase, text) }, Log: s.log,
	})
	if err != nil {
		return err
	}
	s.answered = true
	if up.Changed() {
		s.log.Info("the index is updated", "dir", s.cfg.dirs.Index, "commit", up.After.Commit, "of", up.After.Time.UTC().Format(time.RFC3339))
	}
	return nil
}

// gitState is the state of an update of the index, out of git's words.
func gitState(phase, detail string) console.State {
	st := console.State{Line: " " + phase, Attrs: []any{"phase", phase, "git", human.Printable(detail)}}
	if detail == "" {
		return st
	}
	st.Line += ": " + human.Printable(detail)
	if before, _, found := strings.Cut(detail, "%"); found {
		if percent, err := strconv.Atoi(before[strings.LastIndexByte(before, ' ')+1:]); err == nil {
			st.Done, st.Total = int64(percent), 100
		}
	}
	return st
}

// hintBundles tells who forgot -bundle. A mirror does not remember by itself how
// it was filled: a flag that is given decides.
func (s *syncer) hintBundles() {
	if !s.cfg.bundle && s.cfg.home.HasBundles() {
		s.log.Warn(fmt.Sprintf("there are bundles in %s, but without -bundle new crates become loose files", s.cfg.home.Bundles))
	}
}
