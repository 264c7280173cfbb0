// Package replica keeps a folder up to date with a mirror in a bucket, for readers: its
// catalog and its index. Crates stay in the bucket, from where package remote reads them.
// It only reads the bucket, so there may be any number of replicas.
//
// # How it keeps up
//
// Once a second the root (package root) is asked for, unless it is still the one that
// was taken last. Another one is taken in this order, and counts when all of it has
// been done:
//
//  1. The lists of bundles that the catalog does not know, and the bundles of git that
//     the index lacks, are downloaded and checked: name, size, SHA-256, and of lists
//     every line. Segments of the deep archive say themselves what is in them: their
//     directories are read. If anything is not what the root names, nothing has happened.
//  2. The index moves to the root's commit, unless git finds something wrong with what
//     came. Lines of crates that the catalog does not know are not shown yet.
//  3. The catalog gets the members of the bundles and segments, and of each that it is whole.
//  4. The catalog forgets what is in no bundle that the root names.
//  5. The root is kept, in the folder replica of the state folder.
//
// A kill between any two of them costs that work, not what is served: each step leaves
// a state that can be read, and the next run begins with the first again. A catalog
// that is not there begins with the snapshot that the root names, if it is good, so
// that lists of bundles need not be read from the first on.
//
// As long as the bucket cannot be reached, or has a root that cannot be taken, what was
// taken last is served; [State] says since when and why.
//
// # What is trusted
//
// That the root is the mirror's: who can write it can say what the mirror holds. Nothing
// else: what it names is hashed, and crates are hashed before they are given out. A root
// that is older than the one that was taken is refused.
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

// What a replica keeps below the state folder. That there is such a folder is the mark of
// a replica.
const (
	folder   = "replica"
	rootFile = folder + "/root.json" // that was taken last
	incoming = folder + "/incoming"  // lists and bundles of git, until they were taken
)

// Config of [Open].
type Config struct {
	Dirs   home.Dirs // of the folder that is kept; made if it is not there
	Bucket bucket.Reader
	// Show is called with the files of the bucket that may be read from now on: before the
	// catalog names new ones, and after it has dropped others. It may be nil.
	Show  func(*root.Root)
	Owner durable.Owner               // what the lock says of its holder
	Disk  func(durable.FS) durable.FS // wraps every folder that is written to; if nil, none
	// Interval is the time between two looks at the root. If 0, a second.
	Interval time.Duration
	// Patience is how long a bucket may be silent that is asked for its root until State
	// says so, and how long Open waits that has something to serve: requests are repeated
	// for minutes. If 0, five seconds.
	Patience time.Duration
	// Log gets what the operator should know. If nil, it is dropped.
	Log *slog.Logger
}

// State is where a replica stands.
type State struct {
	Root   *root.Root // that was taken last; nil: none yet. It must not be changed
	Taken  time.Time  // when that was, by this process or one before
	Seen   time.Time  // when the bucket last had that root; zero: not since the start
	Behind time.Time  // since when there is something wrong; zero: nothing is
	Err    error      // what is wrong
}

// Replica is a folder that is kept, by one process at a time.
type Replica struct {
	cfg    Config
	writer *home.Writer
	in     Incoming
	tag    bucket.Tag // of the root that was taken; empty: ask for all of it

	mu    sync.Mutex // guards what follows
	state State
}

// ForeignError: the folder is a mirror by itself. A replica would forget what it holds.
type ForeignError struct{ Dir string }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("%s is a mirror of its own, and no replica of one in a bucket: give the replica another folder", e.Dir)
}

// IsReplica reports whether the folder is one that a replica keeps.
func IsReplica(d *home.Dirs) bool {
	info, err := os.Stat(filepath.Join(d.State(), folder))
	return err == nil && info.IsDir()
}

// Open opens the folder of a replica, and takes the root that the bucket has. If that fails, or
// takes long, and an earlier root was taken, that one can be served, and State says what is wrong.
// Errors: *ForeignError; *durable.HeldError; those of Step if there is nothing to serve.
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

// first looks at the root, not for long if there is something to serve: Follow resumes
// what was cut off.
func (r *Replica) first(ctx context.Context) error {
	if r.state.Root != nil {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, r.cfg.Patience, errSilent)
		defer stop()
	}
	_, err := r.Step(ctx)
	return err
}

// load reads the root that was taken before, and opens the catalog that goes with it.
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
		r.cfg.Log.Warn("what this replica has taken before is not known any more: it begins again", "err", err)
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

// State returns where the replica stands.
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
