// Package replicate copies a mirror from a bucket, from another mirror over HTTP, or from a
// folder, in whole bundles and segments of the deep archive; a registry has some dozens of
// them.
//
// # Order
//
// The index comes first: this mirror's own, which decides about everything else, or if
// there is none, the peer's. Then, for each bundle whose bytes are not here:
//
//	downloaded in ranges, resumed after a kill, and meanwhile
//	  hashed as a whole: it is what the peer's root names
//	  every member decoded, hashed and compared: with the list beside the bundle, with
//	  what the index names, with the pins of what is held
//	  -> takes the next free number, durably; its manifest and line
//	  -> recorded in the catalog, as verified where the index names it
//	  -> pushed, where the destination is a bucket
//
// A segment is copied in the same way. It has no list: its directories have its content,
// and every crate is rebuilt.
//
// If a member has bytes other than the pin of its version, or other than the index names,
// the whole bundle is refused: nothing of it is published, and the replication continues
// with the next. Earlier bytes of a version that was published again are an exception, if
// some bundle of the peer has the later ones, too; they are kept as superseded. Versions
// that no index names are kept, and count as unverified.
//
// Finally, a run of package mirror without upstream updates the catalog from the index, and
// counts what is missing.
package replicate

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/push"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// Config says what to copy, and where to.
type Config struct {
	From      bucket.Reader
	FromIndex string      // URL or folder of the peer's index, for git, if its root names none; empty: none
	Home      home.Config // of the mirror to fill; its Bundles.Write must be set
	IndexURL  string      // this mirror's own index; empty: the existing one, or the peer's
	Push      *push.Pusher
	Progress  *mirror.Progress
	Log       *slog.Logger // must not be nil
}

// Run copies what is not here. Errors: fs.ErrNotExist, root.ErrFormat if there is no
// mirror; *durable.HeldError, durable.ErrNoSpace; those of clone.Update and mirror.Run.
// Refused files are in the result.
func Run(ctx context.Context, cfg Config) (res *Result, err error) {
	r, _, err := root.Read(ctx, cfg.From, "")
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("there is no mirror at %s, or none that has finished bundles, which a sync with -bundle makes there: %w", cfg.From, fs.ErrNotExist)
	}
	if err != nil {
		return nil, err
	}
	w, err := home.Open(ctx, cfg.Home)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	job := &replication{cfg: &cfg, w: w, root: r, taken: map[string]bool{}, res: &Result{From: cfg.From.String(), Root: r}}
	if len(r.Segments) > 0 {
		if job.deep, err = w.OpenDeep(); err != nil {
			return nil, err
		}
	}
	if cfg.Push == nil {
		return job.res, job.run(ctx, w.Store)
	}
	if err := cfg.Push.While(ctx, w.Store, job.run); err != nil {
		return job.res, err
	}
	return job.res, cfg.Push.Round(ctx, push.Round{Commit: job.res.Commit, Complete: job.res.Complete(), Missing: job.res.Summary.Missing})
}

// replication is the state of one Run.
type replication struct {
	cfg  *Config
	w    *home.Writer
	root *root.Root
	res  *Result

	deep  durable.FS      // nil: the peer has no segments
	taken map[string]bool // bundles and segments that this run has copied, by their names here

	in     replica.Incoming // lists, and git bundles
	index  *index.Index
	lookup *index.Lookup
	last   *index.Crate // the last one looked up
}

// incoming is the folder for unchecked files, in the state folder.
const incoming = "replicating"

func (j *replication) run(ctx context.Context, st store.Store) error {
	j.in = replica.Incoming{From: j.cfg.From, To: j.w.State, Dir: incoming, Log: j.cfg.Log}
	if err := j.w.State.MkdirAll(incoming); err != nil {
		return err
	}
	if err := j.updateIndex(ctx); err != nil {
		return err
	}
	if err := j.openIndex(ctx); err != nil {
		return err
	}
	err := j.takeAll(ctx)
	if err = errors.Join(err, j.lookup.Close()); err == nil {
		err = j.catchUp(ctx, st)
	}
	if err = errors.Join(err, j.index.Close()); err != nil {
		return err
	}
	return j.in.Tidy()
}

// updateIndex updates the index that decides about crates.
func (j *replication) updateIndex(ctx context.Context) error {
	dir, log := j.cfg.Home.Dirs.Index, j.cfg.Log
	here := isIndex(dir)
	switch {
	case j.cfg.IndexURL != "":
		j.res.Index = "its own index"
		_, err := clone.Update(ctx, clone.Config{Dir: dir, URL: j.cfg.IndexURL, Log: log})
		if err != nil {
			return err
		}
		return j.ownIndex()
	case here && !j.isPeers(ctx):
		j.res.Index = "its own index, as it was here"
		return nil
	case len(j.root.Index.Chain) > 0:
		return j.peersIndex(ctx, func() error {
			links, err := j.in.FetchIndex(ctx, dir, &j.root.Index)
			if err != nil {
				return err
			}
			return j.in.MoveIndex(ctx, dir, links)
		})
	case j.cfg.FromIndex != "":
		return j.peersIndex(ctx, func() error {
			_, err := clone.Update(ctx, clone.Config{Dir: dir, URL: j.cfg.FromIndex, Log: log})
			return err
		})
	}
	return fmt.Errorf("%s shows no index: say with -index-url where this mirror gets its own", j.cfg.From)
}

// isIndex reports whether a folder has an index: bare, or with a working tree.
func isIndex(dir string) bool {
	_, bare := os.Stat(filepath.Join(dir, "HEAD"))
	_, tree := os.Stat(filepath.Join(dir, ".git"))
	return bare == nil || tree == nil
}

// peersName is a file with the commit up to which the index here is a peer's; it is empty
// while one is copied. The index stays the peer's until a sync brings another.
const peersName = "peers-index"

func (j *replication) isPeers(ctx context.Context) bool {
	commit, err := durable.ReadFile(j.w.State, peersName, 100)
	return err == nil && (len(commit) == 0 || string(commit) == j.commit(ctx))
}

// commit returns the commit of the index here, or "" if it is not in git.
func (j *replication) commit(ctx context.Context) string {
	ix, err := j.cfg.Home.Dirs.OpenIndex(ctx, j.cfg.Log)
	if err != nil {
		return ""
	}
	defer ix.Close()
	return ix.Commit()
}

// peersIndex copies the peer's index, and records that it is the peer's.
func (j *replication) peersIndex(ctx context.Context, bring func() error) error {
	j.res.Index = "the peer's index, as there was no other: what it names is what the peer says"
	if err := durable.WriteFile(j.w.State, peersName, nil); err != nil {
		return err
	}
	if err := bring(); err != nil {
		return err
	}
	return durable.WriteFile(j.w.State, peersName, []byte(j.commit(ctx)))
}

// ownIndex records that the index here is this mirror's own from now on, which no peer's
// replaces.
func (j *replication) ownIndex() error {
	err := j.w.State.Remove(peersName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return errors.Join(err, j.w.State.SyncDir("."))
}

func (j *replication) openIndex(ctx context.Context) (err error) {
	if j.index, err = j.cfg.Home.Dirs.OpenIndex(ctx, j.cfg.Log); err != nil {
		return err
	}
	j.res.Commit = j.index.Commit()
	j.lookup = j.index.NewLookup(ctx)
	return nil
}

// catchUp does a run of package mirror without upstream: it updates the catalog from the
// index, and counts what is missing.
func (j *replication) catchUp(ctx context.Context, st store.Store) (err error) {
	j.res.Summary, err = mirror.Run(ctx, mirror.Config{
		Config: plan.Config{
			Source: plan.FromIndex(j.index, nil), IncludeYanked: true, HeldOnly: true, AcceptRepublished: plan.AcceptVanished, Log: j.cfg.Log,
		},
		Store: st, Catalog: j.w.Catalog, Manifest: j.w.Manifest, State: j.w.State, Disks: j.w.Disks(),
		Out: j.cfg.Home.Dirs.Crates, BundlesOut: j.cfg.Home.Dirs.Bundles, Fetch: offline{}, Progress: j.cfg.Progress,
	})
	return err
}

// offline is the fetcher of a run without upstream: crates that were not in the bundles
// need another run.
type offline struct{}

// Fetch implements mirror.Fetcher.
func (offline) Fetch(context.Context, upstream.Request) (*upstream.Body, upstream.Stats, error) {
	return nil, upstream.Stats{}, errors.New("not fetched: no bundle of the peer has it yet; a sync fetches it")
}
