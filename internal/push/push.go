// Package push copies a mirror to a bucket: finished bundles and segments, the index, a
// snapshot of the catalog, and last the root (package root) that makes them the mirror. A
// run writes to the disk as any other does. Pushed files need not stay there, so a disk
// with room for two bundles is enough for a mirror of any size.
//
// # Order
//
// For each bundle, and each segment:
//
//	finished, and completely recorded in the catalog (all durable here)
//	  -> hashed again, uploaded in parts, unless the same bytes are there
//	  -> read back and hashed (or its size asked for, VerifyHead)
//	  -> the lists beside it, likewise
//	  -> named by the root
//	  -> removed here, all but the newest KeepLocal
//
// A round ends with the index as a git bundle, sometimes a snapshot of the catalog, and
// then a root that names them and the writer's progress. After that, objects of the index
// or the catalog that the last two roots do not name are removed.
//
// After an interruption at any time, everything named exists, and nothing was removed
// before it was named. The next run resumes: it does not send uploaded parts again,
// compares existing objects, and only removes local files that the root already names. The
// command status lists what a run that never resumes left in the bucket.
//
// # Leases
//
// A lease ([root.Session]) protects the mirror in addition to the lock of its folder. If
// another machine takes over the lease of a run, the run ends with root.ErrFenced as soon
// as it notices, and what it has not pushed stays on the disk.
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

// Verify says how to verify that the bucket has what was uploaded.
type Verify string

const (
	VerifyRead Verify = "read" // all of it is read back and hashed
	VerifyHead Verify = "head" // its size is asked for: where reading costs too much
)

// Config says what to push, and where.
type Config struct {
	Bucket    bucket.Bucket
	Remote    *overlay.Source // of the same bucket; each new root is shown to it
	Dirs      home.Dirs
	Shard     crate.Shard   // of the crates in the mirror's folder
	Owner     string        // the holder of the lease, for people
	TTL       time.Duration // of the lease; default: root's
	KeepLocal int           // number of bundles, and of segments, that stay here after being pushed
	Verify    Verify        // default: VerifyRead
	Retry     time.Duration // pause before a failed push is repeated in a run, three times; default 5 s
	Log       *slog.Logger  // must not be nil
}

// Pusher pushes one mirror. Call Attach first; only one goroutine may call the other
// methods.
type Pusher struct {
	cfg     Config
	session *root.Session
	writer  *home.Writer

	mu      sync.Mutex // guards what follows
	waiting int        // bundles that are finished but not pushed
	begun   int        // since the last checkpoint: all but one of them may be full
	moved   chan struct{}
}

// New returns a Pusher; call Attach next.
func New(cfg Config) *Pusher {
	if cfg.Retry == 0 {
		cfg.Retry = 5 * time.Second
	}
	return &Pusher{cfg: cfg, moved: make(chan struct{})}
}

// Attach takes the lease, and shows what the root names. It is home.Config.Attach: the lock
// is held, and closing the mirror releases the lease. Errors: *root.HeldError;
// *OtherMirrorError.
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

// release releases the lease. A failure is only logged.
func (p *Pusher) release(s *root.Session) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := s.Release(ctx); err != nil {
		p.cfg.Log.Warn("the lease was not released: it expires by itself", "err", err)
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

// An OtherMirrorError says that a folder belongs to a mirror other than the bucket's.
type OtherMirrorError struct{ Dir, Bucket string }

func (e *OtherMirrorError) Error() string {
	return fmt.Sprintf("%s does not belong to the mirror in %s, which has been filled from another folder: use an empty folder, and clonecratesio replicate -from this one -to the bucket to add what is in it", e.Dir, e.Bucket)
}

// loadBinding reads the binding of a folder, or makes one if there is none.
func loadBinding(state durable.FS) (home.Binding, error) {
	b, err := home.LoadBinding(state)
	if errors.Is(err, fs.ErrNotExist) {
		b = home.Binding{ID: rand.Text()}
		return b, b.Save(state)
	}
	return b, err
}

// bind records to which mirror the folder belongs. A folder with its own bundles can begin
// a mirror in a bucket, but not join one.
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
