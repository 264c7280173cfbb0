package treecli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/follow"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/importtree"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/stream"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// job is one import.
type job struct {
	cfg   *config
	run   *flags.Run
	index *index.Index
	trees []*importtree.Tree
	show  *console.Display
	log   *slog.Logger

	report  *importtree.Report // nil: the trees were not searched
	summary *mirror.Summary    // of the run that stored what they have; nil: none
	taken   int64              // from bundles of v1.1.0
}

// openSession configures how to open the mirror, and opens its audit log if that is a
// stream.
func openSession(ctx context.Context, a *program.App, run *flags.Run, show *console.Display, log *slog.Logger) (s follow.SessionConfig, to stream.Target, err error) {
	if to, err = stream.OpenTarget(ctx, run.Home.Manifest); err != nil {
		return s, to, fmt.Errorf("-manifest: %w", err)
	}
	s = follow.SessionConfig{
		Home: a.HomeConfig(run, log), Activity: follow.NewActivity(program.Version(), program.ExitCode), Log: log,
		Client: func() (*upstream.Client, error) { return a.Upstream(&run.Net, false, log) },
		Watch: func(_ context.Context, p *mirror.Progress) (stop func()) {
			return show.Follow(follow.Progress(p), log)
		},
	}
	if to.Stream != nil {
		s.Stream = runlog.Stream(to.Stream)
	} else {
		s.Home.Manifest = to.File
	}
	return s, to, nil
}

// do searches the trees and stores what they have.
func (j *job) do(ctx context.Context, s *follow.Session) error {
	found, err := j.search(ctx, s.State)
	if err != nil {
		return err
	}
	defer func() {
		if err := found.Close(); err != nil {
			j.log.Debug("could not remove temporary files; the next import removes them", "err", err)
		}
	}()
	j.report = found.Report()
	bundles, err := j.takeBundles(ctx, s)
	if err != nil {
		return err
	}
	work := j.run.Job(found.Source(), j.log)
	work.Fetch, work.IncludeYanked, work.AllowEmpty, work.NewsOnly = found, true, true, bundles
	j.summary, err = s.Run(ctx, work)
	j.report = found.Report()
	if err != nil {
		return err
	}
	return j.verdict()
}

// takeBundles copies the crates in bundles of v1.1.0 into the store: a run without
// upstream, over the whole index.
func (j *job) takeBundles(ctx context.Context, s *follow.Session) (any bool, err error) {
	for _, dir := range j.report.Bundles {
		if err := j.takeFolder(ctx, s, dir, any); err != nil {
			return any, err
		}
		any = true
	}
	return any, nil
}

func (j *job) takeFolder(ctx context.Context, s *follow.Session, dir string, again bool) (err error) {
	folder, err := durable.Open(dir)
	if err != nil {
		return fmt.Errorf("opening a folder of bundles: %w", err)
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	work := j.run.Job(plan.FromIndex(j.index, nil), j.log)
	work.Fetch, work.IncludeYanked, work.HeldOnly, work.OldBundles, work.NewsOnly = offline{}, true, true, folder, again
	sum, err := s.Run(ctx, work)
	if sum != nil {
		j.taken += sum.TakenOver
	}
	return err
}

// offline is the fetcher of such a run: it has no crates.
type offline struct{}

// Fetch implements mirror.Fetcher.
func (offline) Fetch(context.Context, upstream.Request) (*upstream.Body, upstream.Stats, error) {
	return nil, upstream.Stats{}, errors.New("not downloaded: an import works offline; sync will")
}

// verdict returns what was wrong with the content of the trees.
func (j *job) verdict() error {
	sum, errs := j.summary, []error{j.cfg.dirs.QuarantineVerdict(j.summary.Quarantined)}
	if sum.Violated > 0 {
		errs = append(errs, verdict.Integrityf("%s other bytes in the mirror than the index names now", human.Plural(sum.Violated, "version")))
	}
	if sum.Unreadable > 0 {
		errs = append(errs, verdict.Integrityf("%s of the mirror cannot be read: look at the disk", human.Plural(sum.Unreadable, "crate")))
	}
	if missing := sum.Missing - sum.Violated; missing > 0 {
		errs = append(errs, verdict.Incompletef("incomplete: %s of %s versions that the trees have were not stored, for the reasons listed above; clonecratesio sync fetches them", human.Count(missing), human.Count(sum.Total())))
	}
	if j.report.Failed > 0 {
		errs = append(errs, verdict.Incompletef("incomplete: %s of the trees could not be read", human.Plural(j.report.Failed, "file or folder")))
	}
	if sum.Total() == 0 && j.taken == 0 {
		errs = append(errs, verdict.Incompletef("the trees have no file of a version that the index names"))
	}
	return errors.Join(errs...)
}

// print prints the outcome of the import.
func (j *job) print(w io.Writer) {
	sum := j.summary
	if sum == nil || sum.Plan == nil {
		return
	}
	where := j.cfg.dirs.Crates
	if j.cfg.bundle {
		where = j.cfg.dirs.Bundles
	}
	if sum.Total() > 0 || j.taken == 0 {
		fmt.Fprintf(w, "%s of the %s versions that the trees have are held in %s, verified and durable (%s)\n",
			human.Count(sum.OK()), human.Count(sum.Total()), where, sum.Elapsed.Round(10*time.Millisecond))
	}
	if j.taken > 0 {
		fmt.Fprintf(w, "%s taken over from bundles of v1.1.0, verified and durable\n", human.Plural(j.taken, "version"))
	}
	row := console.Rows(w)
	row(sum.Downloaded, "stored now")
	row(sum.Existing+sum.VerifiedExisting, "held already")
	row(sum.Errors(), "not stored")
	j.report.Print(w)
	first := make([]error, len(sum.Failures))
	for i, f := range sum.Failures {
		first[i] = f.Err
	}
	console.Problems{Heading: "not stored:", First: first, All: sum.Errors(), More: fmt.Sprintf(": the lines of %s with \"ok\":false", j.cfg.dirs.Manifest)}.Print(w)
}
