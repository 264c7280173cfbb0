package follow

import (
	"cmp"
	"context"
	"errors"
	"log/slog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/origins"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/pull"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/push"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// SessionConfig configures an open mirror.
type SessionConfig struct {
	Home home.Config
	// Stream is the run log if it is a stream, which must not start again when the mirror is
	// opened again. If nil, each opening starts Home.Manifest.
	Stream *runlog.Writer
	// Client returns the client that downloads. It is called for each opening.
	Client func() (*upstream.Client, error)
	// Origins returns a fetcher for several upstreams, with the client as the first. If it is
	// nil or returns nil, there is only the client.
	Origins func(first *upstream.Client) (*origins.Set, error)
	// Listen serves metrics and status from the first opening until Close. If nil, they are
	// not served.
	Listen func() (stop func(), err error)
	// Watch shows the progress of a run until stop is called. ctx is that of the run. If nil,
	// progress is not shown.
	Watch func(ctx context.Context, p *mirror.Progress) (stop func())
	// Push uploads what is stored. If nil, nothing is uploaded.
	Push     Pusher
	Activity *Activity    // of the process
	Log      *slog.Logger // must not be nil

	stop func() // stops what Listen started; nil if it has not run
}

// listen serves metrics and status, unless an earlier opening does so already. It starts
// before the mirror is open, so that an operator can see why it does not open.
func (cfg *SessionConfig) listen() (err error) {
	if cfg.Listen != nil && cfg.stop == nil {
		cfg.stop, err = cfg.Listen()
	}
	return err
}

// Close stops what Open started for all openings.
func (cfg *SessionConfig) Close() {
	if cfg.stop != nil {
		cfg.stop()
	}
}

// Pusher is the part of push.Pusher that a sync uses.
type Pusher interface {
	// While calls run with a store and uploads what that store finishes. The ctx of run may
	// end before that of While.
	While(ctx context.Context, st store.Store, run func(context.Context, store.Store) error) error
	// Room is mirror.Config.Room.
	Room(ctx context.Context) error
	// Round uploads the rest at the end of a round and reports its outcome.
	Round(ctx context.Context, done push.Round) error
}

// Session is a mirror that is open for writing, for one or several runs.
type Session struct {
	*home.Writer
	Client *upstream.Client
	Fetch  mirror.Fetcher // one client, or several
	Set    *origins.Set   // nil: there is one client

	cfg *SessionConfig
}

// Open opens a mirror with everything that belongs to it (locks, catalog, run log, client,
// metrics), publishes its progress, calls do, and closes it. If the catalog turns out to be
// damaged, Open moves it away and does everything again without it. Errors: those of
// home.Open and of do.
func Open(ctx context.Context, cfg *SessionConfig, do func(*Session) error) error {
	err := openOnce(ctx, cfg, do)
	if errors.Is(err, catalog.ErrDamaged) {
		if err := cfg.Home.Dirs.SetCatalogAside(cfg.Log, err); err != nil {
			return err
		}
		err = openOnce(ctx, cfg, do)
	}
	return err
}

func openOnce(ctx context.Context, cfg *SessionConfig, do func(*Session) error) (err error) {
	s := &Session{cfg: cfg}
	if s.Writer, err = home.Open(ctx, cfg.Home); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Writer.Close()) }()
	if s.Client, err = cfg.Client(); err != nil {
		return err
	}
	defer s.Client.Close()
	s.Fetch = s.Client
	if cfg.Origins != nil {
		if s.Set, err = cfg.Origins(s.Client); err != nil {
			return err
		}
		if s.Set != nil {
			defer s.Set.Close()
			s.Fetch = s.Set
		}
	}
	cfg.Activity.recall(s.State)
	cfg.Activity.fetches(s.Client)
	if err := cfg.listen(); err != nil {
		return err
	}
	told := tell(s.State, cfg.Activity.State, cfg.Log)
	err = do(s)
	told(err, cfg.Activity.began(err))
	return err
}

// Run mirrors once. The caller sets the fields of job that the session does not have.
func (s *Session) Run(ctx context.Context, job mirror.Config) (*mirror.Summary, error) {
	if job.Fetch == nil {
		job.Fetch = s.Fetch
	}
	pulled, err := home.OpenIfThere(s.cfg.Home.Dirs.Pulled())
	if err != nil {
		return nil, err
	}
	if pulled != nil { // a server downloaded them: do not ask it again
		defer pulled.Close()
		job.Fetch = pull.Local{Folder: pulled, Next: job.Fetch}
	}
	if job.OldBundles == nil && s.Bundles != nil {
		job.OldBundles = s.Bundles
	}
	job.Store, job.Catalog, job.Manifest, job.State = s.Store, noting{s.Catalog, s.cfg.Activity.arrivals}, cmp.Or(s.cfg.Stream, s.Manifest), s.State
	job.Disks, job.Progress = s.Disks(), s.cfg.Activity.begin()
	if s.cfg.Watch != nil {
		defer s.cfg.Watch(ctx, job.Progress)()
	}
	if s.cfg.Push == nil {
		job.Store = s.cfg.Activity.commits.time(job.Store)
		return mirror.Run(ctx, job)
	}
	var summary *mirror.Summary
	err = s.cfg.Push.While(ctx, s.Store, func(ctx context.Context, st store.Store) (err error) {
		job.Store, job.Room = s.cfg.Activity.commits.time(st), s.cfg.Push.Room
		summary, err = mirror.Run(ctx, job)
		return err
	})
	return summary, err
}
