// Package push carries a mirror into a bucket: bundles and segments that are finished,
// the index, a snapshot of the catalog, and last the root (package root) that makes them
// the mirror. A run writes to the disk as any other does; what is pushed need not stay
// there, so a disk with room for two bundles is enough for a mirror of any size.
//
// # The order of things
//
// For each bundle, and each segment:
//
//	finished, whole in the catalog (all of it is durable here)
//	  -> hashed again, uploaded in parts, unless the same bytes are there
//	  -> read back and hashed (or its size asked for, VerifyHead)
//	  -> the lists beside it, likewise
//	  -> named by the root
//	  -> removed here, all but the newest KeepLocal
//
// At the end of a round: the index as a bundle of git, and now and then a snapshot of the
// catalog, then a root that names them and the writer's progress. Objects of the index or
// the catalog that the last two roots do not name are removed after that.
//
// Cut off anywhere, nothing is named that is not there, and nothing is removed that is
// not named. The next run resumes: parts that were uploaded are not sent again, an object
// that is there is compared, what the root names already is not pushed but removed here.
// What a run that never comes back has left in the bucket, status lists.
//
// # Leases
//
// The mirror is held by a lease ([root.Session]) beside the lock of its folder. A run
// whose lease another machine has taken over ends with root.ErrFenced as soon as it
// learns of it, and what it has not pushed stays where it is.
package push

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync"
	"time"

	"crypto/rand"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/overlay"
)

// Verify is how it is proved that the bucket has what was uploaded.
type Verify string

const (
	VerifyRead Verify = "read" // all of it is read back and hashed
	VerifyHead Verify = "head" // its size is asked for: where reading costs too much
)

// Config is what is pushed, and where.
type Config struct {
	Bucket    bucket.Bucket
	Remote    *overlay.Source // of the same bucket; is shown each root
	Dirs      home.Dirs
	Shard     crate.Shard   // whose crates the mirror folder is about
	Owner     string        // for people: who holds the lease
	TTL       time.Duration // of the lease; default: root's
	KeepLocal int           // bundles, and segments, that stay here though they are pushed
	Verify    Verify        // default: VerifyRead
	Retry     time.Duration // before a push that failed is tried again in a run, thrice; default 5 s
	Log       *slog.Logger  // must not be nil
}

// Pusher pushes one mirror. Attach comes first; its other methods are for one goroutine.
type Pusher struct {
	cfg     Config
	session *root.Session
	writer  *home.Writer

	mu      sync.Mutex // guards what follows
	waiting int        // bundles that are finished and not pushed
	begun   int        // since the last checkpoint: all but one of them may be full
	moved   chan struct{}
}

// New returns a pusher that has not been attached.
func New(cfg Config) *Pusher {
	if cfg.Retry == 0 {
		cfg.Retry = 5 * time.Second
	}
	return &Pusher{cfg: cfg, moved: make(chan struct{})}
}

// Attach takes the lease, and shows what the root names. It is home.Config.Attach: the
// lock is held, and when the mirror is closed, the lease is given back. Errors:
// *root.HeldError; *OtherMirrorError.
func (p *Pusher) Attach(ctx context.Context, w *home.Writer) error {
	b, err := loadBinding(w.State)
	if err != nil {
		return err
	}
	session, err := root.Acquire(ctx, root.Config{
		Bucket: p.cfg.Bucket, TTL: p.cfg.TTL, Log: p.cfg.Log,
		Holder: root.Holder{Shard: p.cfg.Shard.String(), ID: b.ID, Owner: p.cfg.Owner},
	})
	if err != nil {
		return err
	}
	w.OnClose(func() error { return p.release(session) })
	r := session.Root()
	if err := p.bind(w, b, r); err != nil {
		return err
	}
	p.session, p.writer = session, w
	p.cfg.Remote.Show(r)
	return nil
}

// release gives the lease back. A failure is only logged.
func (p *Pusher) release(s *root.Session) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Release(ctx); err != nil {
		p.cfg.Log.Warn("the lease was not given back: it ends by itself", "err", err)
	}
	return nil
}

// Number is home.BundleConfig.Number: numbers come from the root.
func (p *Pusher) Number(least int) (int, error) {
	p.note(0, 1)
	return p.session.TakeBundle(context.Background(), least) // the bucket has its own timeouts
}

// SegmentNumber is home.BundleConfig.SegmentNumber.
func (p *Pusher) SegmentNumber(least int) (int, error) {
	return p.session.TakeSegment(context.Background(), least)
}

// An OtherMirrorError says that a folder belongs to another mirror than the bucket's.
type OtherMirrorError struct{ Dir, Bucket string }

func (e *OtherMirrorError) Error() string {
	return fmt.Sprintf("%s does not belong to the mirror in %s, which has been filled from another folder: use an empty folder, and clonecratesio replicate -from this one -to the bucket to add what is in it", e.Dir, e.Bucket)
}

// loadBinding reads the binding of a folder, which gets one if it has none.
func loadBinding(state durable.FS) (home.Binding, error) {
	b, err := home.LoadBinding(state)
	if errors.Is(err, fs.ErrNotExist) {
		b = home.Binding{ID: rand.Text()}
		return b, b.Save(state)
	}
	return b, err
}

// bind remembers to which mirror the folder belongs. One that has bundles of its own
// can begin a mirror in a bucket, and join none.
func (p *Pusher) bind(w *home.Writer, b home.Binding, r *root.Root) error {
	store := p.cfg.Bucket.String()
	if b.Mirror == r.ID && b.Store == store {
		return nil
	}
	other := &OtherMirrorError{p.cfg.Dirs.Bundles, store}
	if b.Mirror != "" && b.Mirror != r.ID {
		return other
	}
	if b.Mirror == "" && len(r.Bundles) > 0 {
		has, err := hasBundles(p.cfg.Dirs.Bundles)
		if err != nil {
			return err
		}
		if has {
			return other
		}
	}
	b.Mirror, b.Store = r.ID, store
	return b.Save(w.State)
}

func hasBundles(dir string) (bool, error) {
	folder, err := home.OpenIfThere(dir)
	if err != nil || folder == nil {
		return false, err
	}
	defer folder.Close()
	entries, err := folder.ReadDir(".")
	for _, e := range entries {
		if _, _, ok := bundle.CutName(e.Name()); ok {
			return true, nil
		}
	}
	return false, err
}
