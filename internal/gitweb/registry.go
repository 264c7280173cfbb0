package gitweb

import (
	"bytes"
	"context"
	"crypto/sha1" // git's ids
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// Registry keeps a repository that is a registry for cargo before 1.68: one commit,
// without a parent, of the lines that a mirror shows of the crates of its index, and of a
// config.json that leads to it. Files of which all is shown are those of the index, whose
// objects it borrows (alternates); the others are its own. It can be removed at any time
// while no server runs.
//
// What has changed is found by looking at all crates, so that costs as much as to render
// them all, in the background: it is done when the mirror has changed, and rests twenty
// times as long as it took.
type Registry struct {
	cfg  RegistryConfig
	lock *durable.Lockfile
	made atomic.Bool

	commit     string // of the index, that was made a registry last
	generation uint64
}

// RegistryConfig of a [Registry].
type RegistryConfig struct {
	Dir    string // its git directory; made if it is not there
	Index  string // the folder of the index
	Mirror reader.Lines
	Config []byte // config.json
	Log    *slog.Logger
}

const (
	registryRest  = 20
	registryEvery = 10 * time.Second
	maxPacks      = 20
)

// OpenRegistry opens the repository; the caller closes it after Follow has returned.
// Errors: *durable.HeldError.
func OpenRegistry(cfg RegistryConfig, owner durable.Owner) (*Registry, error) {
	var err error
	if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(cfg.Dir), 0o755); err != nil {
		return nil, err
	}
	r := &Registry{cfg: cfg}
	if r.lock, err = durable.Lock(cfg.Dir+".lock", owner); err != nil {
		return nil, fmt.Errorf("serving a registry for git: %w", err)
	}
	return r, nil
}

// Close gives the repository back.
func (r *Registry) Close() error { return r.lock.Release() }

// GitDir is [Config].Registry.
func (r *Registry) GitDir() (string, error) {
	if !r.made.Load() {
		return "", fs.ErrNotExist
	}
	return r.cfg.Dir, nil
}

// Follow keeps the repository what the mirror shows until ctx ends.
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

// Update makes the repository what the mirror shows now, if that may have changed.
func (r *Registry) Update(ctx context.Context) error {
	index, err := (&Handler{cfg: Config{Index: r.cfg.Index}}).repository(IndexName)
	if err != nil {
		return err
	}
	head, err := index.Head(ctx)
	if err != nil {
		return err
	}
	generation := r.cfg.Mirror.Generation() // before what it vouches for
	if r.made.Load() && head.Commit == r.commit && generation == r.generation {
		return nil
	}
	if err := r.init(ctx, index); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, out := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := r.write(ctx, index, head, out)
		out.CloseWithError(err)
		written <- err
	}()
	_, err = r.porcelain().Take(ctx, in, "fast-import", "--quiet", "--force", "--done")
	in.Close() // ends the goroutine if git left early
	if err = errors.Join(<-written, err); err != nil {
		return err
	}
	r.commit, r.generation = head.Commit, generation
	r.made.Store(true)
	return r.tidy(ctx)
}

func (r *Registry) porcelain() *git.Porcelain { return &git.Porcelain{Dir: r.cfg.Dir, Lock: r.lock} }

// init makes the repository, and has it borrow the objects of the index.
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

// write writes the commit in the language of git-fast-import(1).
func (r *Registry) write(ctx context.Context, index *git.Repository, head git.Revision, to io.Writer) error {
	const message = "What this mirror holds"
	fmt.Fprintf(to, "commit refs/heads/master\ncommitter CloneCratesio <> %d +0000\ndata %d\n%s\ndeleteall\n", head.Time.Unix(), len(message), message)
	inline(to, "config.json", r.cfg.Config)
	err := index.EachField(ctx, func(field []byte) error {
		entry, file, ok := strings.Cut(string(field), "\t")
		kind := strings.Fields(entry)
		if !ok || len(kind) != 3 || kind[1] != "blob" || !crate.IsIndexPath(file) {
			return nil
		}
		return r.writeCrate(ctx, to, file, kind[2])
	}, "ls-tree", "-r", "-z", "--full-tree", head.Commit)
	if err == nil {
		_, err = io.WriteString(to, "done\n")
	}
	return err
}

func (r *Registry) writeCrate(ctx context.Context, to io.Writer, file, blob string) error {
	c, err := r.cfg.Mirror.Crate(ctx, path.Base(file))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if body := c.Body(); blobID(body) != blob {
		return inline(to, file, body)
	}
	_, err = fmt.Fprintf(to, "M 100644 %s %s\n", blob, file)
	return err
}

func inline(to io.Writer, file string, body []byte) error {
	_, err := fmt.Fprintf(to, "M 100644 inline %s\ndata %d\n%s\n", file, len(body), body)
	return err
}

// blobID is git's id of a file.
func blobID(body []byte) string {
	h := sha1.New()
	fmt.Fprintf(h, "blob %d\x00", len(body))
	io.Copy(h, bytes.NewReader(body))
	return hex.EncodeToString(h.Sum(nil))
}

// tidy packs what is in many packs; each update adds one. What nothing names stays: a
// client may have it.
func (r *Registry) tidy(ctx context.Context) error {
	packs, err := filepath.Glob(filepath.Join(r.cfg.Dir, "objects", "pack", "*.pack"))
	if err != nil || len(packs) < maxPacks {
		return err
	}
	_, err = r.porcelain().Run(ctx, "repack", "-a", "-d", "-l", "-k", "--quiet")
	return err
}
