// Package replica keeps the catalog and the index of a folder up to date with a mirror in a
// bucket, for readers. Crates stay in the bucket, from where package remote reads them. It
// only reads the bucket, so there may be any number of replicas.
//
// # Updates
//
// Once per second it requests the root (package root) if that has changed. A new root is
// applied in these steps, and counts once all are done:
//
//  1. Download and check the lists of bundles that the catalog does not know, and the git
//     bundles that the index lacks: name, size, SHA-256, and in lists
//     every line. Segments of the deep archive have no list: read their
//     directories. If anything is not what the root names, nothing has changed.
//  2. Move the index to the root's commit, unless git finds something wrong with what
//     was downloaded. Lines of crates that the catalog does not know are not shown yet.
//  3. Record the members of the bundles and segments, and then that each is whole.
//  4. Remove from the catalog what is in no bundle that the root names.
//  5. Store the root, in the folder replica of the state folder.
//
// A kill between two steps costs only their work: each step leaves a readable state, and the
// next run begins with the first step again. A new catalog begins with the snapshot that the
// root names, if it is good, so that not all lists of bundles must be read.
//
// While the bucket cannot be reached, or has an unusable root, the last one that was applied
// is served; [State] says since when and why.
//
// # Trust
//
// A replica trusts the root: anyone who can write it decides what the mirror holds. It trusts
// nothing else: everything that the root names is hashed, and crates are hashed before they
// are served. A root older than the last one is refused.
package replica

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// Files of a replica below the state folder. This folder marks a replica.
const (
	folder   = "replica"
	rootFile = folder + "/root.json" // that was taken last
	incoming = folder + "/incoming"  // lists and git bundles, until they were used
)

// Config configures [Open].
type Config struct {
	Dirs   home.Dirs // the replica's folders; made if they do not exist
	Bucket bucket.Reader
	// Show is called with the files of the bucket that may be read from now on: before the
	// catalog names new ones, and after it has dropped others. It may be nil.
	Show  func(*root.Root)
	Owner durable.Owner               // recorded in the lock as its holder
	Disk  func(durable.FS) durable.FS // wraps every folder that is written to; if nil, none is wrapped
	// Interval is the time between two requests for the root. If 0, a second.
	Interval time.Duration
	// Patience is how long a request for the root may take until State reports the silence,
	// and how long Open waits if it has something to serve: requests are repeated for
	// minutes. If 0, five seconds.
	Patience time.Duration
	// Log receives what the operator should know. If nil, nothing is logged.
	Log *slog.Logger
}

// State is the condition of a replica.
type State struct {
	Root   *root.Root // the last one applied; nil: none yet. It must not be changed
	Taken  time.Time  // when it was applied, by this process or an earlier one
	Seen   time.Time  // when the bucket last had that root; zero: not since the start
	Behind time.Time  // since when something is wrong; zero: nothing is
	Err    error      // what is wrong
}

// Replica is a folder that follows a bucket. One process uses it at a time.
type Replica struct {
	cfg    Config
	writer *home.Writer
	in     Incoming
	tag    bucket.Tag // of the applied root; empty: request all of it

	mu    sync.Mutex // guards what follows
	state State
}

// A ForeignError says that the folder is a mirror itself. A replica would remove what it
// holds from its catalog.
type ForeignError struct{ Dir string }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s is a mirror of its own, and no replica of one in a bucket: give the replica another folder", e.Dir)
}

// IsReplica reports whether the folder belongs to a replica.
func IsReplica(d *home.Dirs) bool {
	info, err := os.Stat(filepath.Join(d.State(), folder))
	return err == nil && info.IsDir()
}

// Open opens the folder of a replica, and applies the bucket's root. If that fails, or takes long,
// and an earlier root was applied, that one can be served, and State says what is wrong. Errors:
// *ForeignError; *durable.HeldError; those of Step if there is nothing to serve.
func Open(ctx context.Context, cfg Config) (_ *Replica, err error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Interval == 0 {
		cfg.Interval = time.Second
	}
	if cfg.Patience == 0 {
		cfg.Patience = 5 * time.Second
	}
	if cfg.Show == nil {
		cfg.Show = func(*root.Root) {}
	}
	if cfg.Dirs.HasCatalog() && !IsReplica(&cfg.Dirs) {
		return nil, &ForeignError{cfg.Dirs.Crates}
	}
	r := &Replica{cfg: cfg}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
		}
	}()
	r.writer, err = home.Hold(home.Config{Dirs: cfg.Dirs, Owner: cfg.Owner, Disk: cfg.Disk, Log: cfg.Log})
	if err != nil {
		return nil, err
	}
	r.in = Incoming{From: cfg.Bucket, To: r.writer.State, Dir: incoming, Log: cfg.Log}
	if err = r.load(); err != nil {
		return nil, err
	}
	if err = r.first(ctx); err != nil && r.state.Root == nil {
		return nil, err
	}
	if err != nil {
		cfg.Log.Error("the bucket cannot be followed: what was taken before is served", "bucket", cfg.Bucket.String(), "err", err)
	}
	return r, nil
}

// first does the first step, but not for long if there is something to serve: Follow
// resumes it.
func (r *Replica) first(ctx context.Context) error {
	if r.state.Root != nil {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, r.cfg.Patience, errSilent)
		defer stop()
	}
	_, err := r.Step(ctx)
	return err
}

// load reads the root that was applied before, and opens its catalog.
func (r *Replica) load() error {
	if err := r.writer.State.MkdirAll(incoming); err != nil {
		return err
	}
	data, err := durable.ReadFile(r.writer.State, rootFile, root.MaxSize)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	taken, err := root.Parse(data)
	if err != nil {
		r.cfg.Log.Warn("the earlier state of this replica is no longer known: it starts again", "err", err)
		return nil
	}
	if !r.cfg.Dirs.HasCatalog() {
		return nil // begin again
	}
	info, err := r.writer.State.Stat(rootFile)
	if err != nil {
		return err
	}
	if err := r.writer.OpenCatalog(); err != nil {
		return err
	}
	r.state.Root, r.state.Taken = taken, info.ModTime()
	r.cfg.Show(taken)
	return nil
}

// State returns the condition of the replica.
func (r *Replica) State() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

// Close releases the folder. Step and Follow must have returned.
func (r *Replica) Close() error {
	if r.writer == nil {
		return nil
	}
	return r.writer.Close()
}
