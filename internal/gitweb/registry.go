package gitweb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// Registry maintains a repository that is a registry for cargo before 1.68. It has one commit,
// without a parent, with the lines that a mirror shows for the crates of its index, and with a
// config.json that leads to the mirror. Files that are shown completely are borrowed from the
// index (alternates); others are stored in the repository. The repository can be removed at
// any time while no server runs.
//
// After a change it checks the crates that changed in the index, and those that were not shown
// completely the last time (at most 2,000 of them), since crates are stored a little after the
// index names them. It checks all crates, which costs as much as rendering them, at the start,
// when Rules has changed, and once an hour if anything has. After each check it pauses for
// twenty times the duration of the check.
type Registry struct {
	cfg  RegistryConfig
	lock *durable.Lockfile
	made atomic.Bool

	last  look
	whole time.Time         // when all crates were last read; zero: read all of them again
	open  map[string]string // blobs, by path, of index files that are not shown completely
}

// look is the state of the mirror at one time.
type look struct {
	head              git.Revision // of the index
	generation, rules uint64
}

// RegistryConfig configures a [Registry].
type RegistryConfig struct {
	Dir    string // the git directory, created if missing
	Index  string // the folder of the index
	Mirror reader.Lines
	Config []byte // config.json
	// Rules returns a number that grows when something other than the index and the stored
	// crates changes what is shown. If nil, nothing else does.
	Rules func() uint64
	Log   *slog.Logger
}

const (
	registryRest  = 20
	registryEvery = 2 * time.Second
	registryWhole = time.Hour
	maxOpen       = 10_000
	maxAtFirst    = 2000 // the most that a check of all crates adds to open
	maxPacks      = 20
)

// OpenRegistry opens the repository. The caller closes it after Follow has returned. Errors:
// *durable.HeldError.
func OpenRegistry(cfg RegistryConfig, owner durable.Owner) (*Registry, error) {
	var err error
	if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(cfg.Dir), 0o755); err != nil {
		return nil, err
	}
	r := &Registry{cfg: cfg, open: map[string]string{}}
	if r.lock, err = durable.Lock(cfg.Dir+".lock", owner); err != nil {
		return nil, fmt.Errorf("serving a registry for git: %w", err)
	}
	return r, nil
}

// Close releases the repository.
func (r *Registry) Close() error { return r.lock.Release() }

// GitDir implements [Config].Registry.
func (r *Registry) GitDir() (string, error) {
	if !r.made.Load() {
		return "", fs.ErrNotExist
	}
	return r.cfg.Dir, nil
}

// Follow updates the repository from the mirror until ctx ends.
func (r *Registry) Follow(ctx context.Context) {
	said := ""
	for ctx.Err() == nil {
		begin := time.Now()
		err := r.Update(ctx)
		if err != nil && ctx.Err() == nil && err.Error() != said {
			r.cfg.Log.Error("the registry for git is as it was before", "err", err)
			said = err.Error()
		}
		select {
		case <-ctx.Done():
		case <-time.After(max(registryEvery, registryRest*time.Since(begin))):
		}
	}
}

// Update updates the repository from the mirror, if what the mirror shows may have changed.
func (r *Registry) Update(ctx context.Context) error {
	index, err := (&Handler{cfg: Config{Index: r.cfg.Index}}).repository(IndexName)
	if err != nil {
		return err
	}
	now := look{generation: r.cfg.Mirror.Generation()} // read before the files, so that a later change is not missed
	if r.cfg.Rules != nil {
		now.rules = r.cfg.Rules()
	}
	if now.head, err = index.Head(ctx); err != nil {
		return err
	}
	if r.made.Load() && now.head.Commit == r.last.head.Commit && now.generation == r.last.generation {
		return nil
	}
	if !r.made.Load() || now.rules != r.last.rules || time.Since(r.whole) >= registryWhole {
		r.whole = time.Time{}
	}
	if err := r.init(ctx, index); err != nil {
		return err
	}
	begun := time.Now()
	if err := r.commit(ctx, index, now.head); err != nil {
		r.whole = time.Time{} // the repository may lack what was checked
		return err
	}
	if r.whole.IsZero() {
		r.whole = begun
	}
	if len(r.open) > maxOpen {
		r.open, r.whole = map[string]string{}, time.Time{}
	}
	r.last = now
	r.made.Store(true)
	return r.tidy(ctx)
}

// commit makes the commit.
func (r *Registry) commit(ctx context.Context, index *git.Repository, head git.Revision) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, out := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := r.write(ctx, index, head, out)
		out.CloseWithError(err)
		written <- err
	}()
	_, err := r.porcelain().Take(ctx, in, "fast-import", "--quiet", "--force", "--done")
	in.Close() // ends the goroutine if git ended early
	return errors.Join(<-written, err)
}

func (r *Registry) porcelain() *git.Porcelain { return &git.Porcelain{Dir: r.cfg.Dir, Lock: r.lock} }

// init creates the repository, which borrows the objects of the index.
func (r *Registry) init(ctx context.Context, index *git.Repository) error {
	if _, err := os.Stat(filepath.Join(r.cfg.Dir, "HEAD")); err != nil {
		work := &git.Porcelain{Dir: filepath.Dir(r.cfg.Dir), Lock: r.lock}
		if _, err := work.Run(ctx, "init", "--bare", "--quiet", "--template=", "--initial-branch=master", "--object-format=sha1", "--end-of-options", r.cfg.Dir); err != nil {
			return err
		}
	}
	objects, err := index.Output(ctx, "rev-parse", "--git-path", "objects")
	if err != nil {
		return err
	}
	if objects, err = filepath.Abs(objects); err != nil {
		return err
	}
	folder, err := durable.Open(filepath.Join(r.cfg.Dir, "objects"))
	if err != nil {
		return err
	}
	defer folder.Close()
	if err := folder.MkdirAll("info"); err != nil {
		return err
	}
	return durable.WriteFile(folder, "info/alternates", []byte(objects+"\n"))
}

// tidy joins packs when there are many; each update adds one. It keeps unreferenced objects: a
// client may have them.
func (r *Registry) tidy(ctx context.Context) error {
	packs, err := filepath.Glob(filepath.Join(r.cfg.Dir, "objects", "pack", "*.pack"))
	if err != nil || len(packs) < maxPacks {
		return err
	}
	_, err = r.porcelain().Run(ctx, "repack", "-a", "-d", "-l", "-k", "--quiet")
	return err
}
