package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// session is a mirror that is open for writing, for one run or many.
type session struct {
	*home.Writer
	cfg    *runConfig
	to     target         // of the manifest
	stream *runlog.Writer // of the manifest, for all openings; nil: each begins a file
	client *upstream.Client
	act    *activity
	show   *console.Display
	log    *slog.Logger
}

// newSession is a session that is not open yet, but for a manifest that is a
// stream, which a later opening must not begin again. The caller closes it (session.to).
func newSession(ctx context.Context, cfg *runConfig, show *console.Display, log *slog.Logger) (session, error) {
	s := session{cfg: cfg, act: newActivity(), show: show, log: log}
	var err error
	if s.to, err = openTarget(ctx, cfg.home.Manifest); err != nil {
		return s, fmt.Errorf("-manifest: %w", err)
	}
	if s.to.stream != nil {
		s.stream = runlog.Stream(s.to.stream)
	}
	return s, nil
}

// session opens a mirror with everything that belongs to it (locks, catalog,
// manifest, client, admin listener), calls do, and closes it. A catalog that
// turns out to be damaged on the way is set aside, and all is done again without
// it.
func (a *App) session(ctx context.Context, s session, do func(*session) error) error {
	err := a.sessionOnce(ctx, s, do)
	if errors.Is(err, catalog.ErrDamaged) {
		if err := s.cfg.home.SetCatalogAside(s.log, err); err != nil {
			return err
		}
		err = a.sessionOnce(ctx, s, do)
	}
	return err
}

func (a *App) sessionOnce(ctx context.Context, s session, do func(*session) error) (err error) {
	opening := a.homeConfig(s.cfg, s.log)
	if s.to.stream == nil {
		opening.Manifest = s.to.file
	}
	if s.Writer, err = home.Open(ctx, opening); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Writer.Close()) }()
	if s.client, err = a.upstream(&s.cfg.net, s.cfg.allowMissing, s.log); err != nil {
		return err
	}
	defer s.client.Close()
	stopListening, err := s.cfg.listen.serve(adminHandler(s.act, s.Store, s.client), s.log)
	if err != nil {
		return err
	}
	defer stopListening()
	s.act.recall(s.State)
	told := tell(s.State, func() runstate.State { return s.act.state(s.client.Status()) }, s.log)
	err = do(&s)
	told(err, s.act.began(err))
	return err
}

// run mirrors once.
func (s *session) run(ctx context.Context, job mirror.Config) (*mirror.Summary, error) {
	if job.Fetch == nil {
		job.Fetch = s.client
	}
	if s.Bundles != nil {
		job.OldBundles = s.Bundles
	}
	job.Store, job.Catalog, job.Manifest, job.State = s.Store, s.Catalog, cmp.Or(s.stream, s.Manifest), s.State
	job.Disks, job.Progress = s.Disks(), s.act.begin()
	defer context.AfterFunc(ctx, func() {
		fmt.Fprintln(s.show, "stopping: what is in flight may end, 10 s at most; once more stops at once")
	})()
	defer s.show.Follow(mirroring(job.Progress), s.log)()
	return mirror.Run(ctx, job)
}
