// Package export makes a static tree of a mirror. Any web server (nginx, S3) can serve it
// to cargo without special rules, and cargo can read it from disk through file://.
//
// # The tree
//
//	index/config.json                        where the rest is
//	index/{1|2|3/a|ab/cd}/{name}             the lines of a crate
//	crates/{name}/{name}-{version}.crate     as on static.crates.io
//	index.git                                index/ as a git repository, unless it is not wanted
//	.clonecratesio-export/                   lock, unfinished files
//
// The markers in config.json ("{crate}/{crate}-{version}.crate") make cargo use paths of
// crate files that are names of regular files. cargo sends the "+" of a version unescaped.
// Every web server reads it as "+", except S3, which reads it as a space (crates.io#4891):
// such a file has a second name, with a space.
//
// cargo reads a sparse index only over HTTP. Through file:// it needs a git repository,
// while "dl" may be a file:// URL.
//
// # Guarantees
//
// A crate file gets its name after its bytes were hashed. A line is added to the index
// after its crate file is durable, and a line that is no longer shown is removed before its
// crate file. So at any instant, during a run or after a kill, every line leads to the
// bytes that it names, and the next run resumes: it does not write crate files again that
// have their size and whose line is in the tree, nor index files with the right content. If
// a version was published again, so that its file name is taken, its old line is removed
// first: for an instant it has no line. (index.git follows at the end: until then it has
// the line of the old bytes, and cargo rejects the new ones.)
//
// A tree follows the current index, or stays at one earlier commit: [Config.AsOf]. The two
// are never mixed.
//
// The tree is managed by this package: it replaces or removes index files that differ from
// what the mirror shows. It keeps crate files, even those that no line names, unless
// [Config.Prune] is set.
//
// If the mirror has a loose file on the same file system, the tree gets a hard link to it.
//
// # In a bucket
//
// [RunBucket] makes the same tree of objects, without index.git. Objects are durable once
// they are put, so crates need not wait for each other; the order for each crate is the
// same. A local folder records the content of the index in the bucket; entries are removed
// from it before the index changes. An object, .clonecratesio-export/export.json, names the
// last run: a run that finds another run's object stops, and ignores the local record.
//
// # Memory
//
// It holds the names of crates and the paths of their index files, some 150 bytes per
// crate: 30 MB for 200,000. A thousand crates are processed at a time.
package export

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// Names in the tree.
const (
	// StateDir holds files that are not for clients.
	StateDir = ".clonecratesio-export"
	// IndexDir is the sparse index: cargo is configured with its URL.
	IndexDir = "index"
	// GitDir is the same index as a bare git repository.
	GitDir = "index.git"

	cratesDir  = "crates"
	tempDir    = StateDir + "/tmp"
	configName = IndexDir + "/config.json"
)

// Mirror is what is exported: a reader.View that shows what is held, or a reader.Snapshot.
type Mirror interface {
	// Names returns the names of all crates that may be shown, in any order.
	Names(ctx context.Context) ([]string, error)
	// Crate returns what is shown of a crate. Errors: fs.ErrNotExist.
	Crate(ctx context.Context, name string) (*reader.Crate, error)
	// OpenBytes opens the verified crate file of a line. Errors: fs.ErrNotExist;
	// *reader.DamagedError.
	OpenBytes(ctx context.Context, key crate.Key) (*reader.File, error)
}

// Config configures [Run].
type Config struct {
	Mirror Mirror
	// Out is the folder of the tree, after [Prepare]. The caller holds its lock.
	Out durable.FS
	// Layout is the layout of the tree. Run rejects a tree with another one: ErrLayout.
	Layout Layout
	// PublicURL is where clients find the tree, without a slash at its end. It is written
	// to config.json.
	PublicURL string
	// AsOf is the earlier commit of the index that Mirror shows; empty: the current index.
	// Run rejects a tree of another one: *PointError.
	AsOf string
	// Prune removes crate files that no line names.
	Prune bool
	// VerifyExisting hashes the crate files that are in the tree, and replaces wrong ones.
	// Otherwise Run only checks their size.
	VerifyExisting bool
	// AcceptShrink allows the removal of any number of index files. Otherwise removing more
	// than index.MaxShrink percent is an error, and all stay.
	AcceptShrink bool
	// Log logs what an operator should know. If nil, nothing is logged.
	Log *slog.Logger
	// Progress receives the counts. If nil, they are not reported.
	Progress *Progress
}

// ErrEmpty says that the mirror shows nothing. The tree was not changed.
var ErrEmpty = errors.New("the mirror holds no version that its index names")

// run is the state of a Run. Its fields do not change, except Progress and the disk's
// batch, which are safe for concurrent use, and shown, which only Run's goroutine uses.
type run struct {
	Config
	disk  *disk
	shown map[string]bool // index paths that the mirror shows
}

// Run updates the tree from the mirror. Problems with single crates are in the summary; an
// error means that the run could not continue.
func Run(ctx context.Context, cfg Config) (*Summary, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Progress == nil {
		cfg.Progress = new(Progress)
	}
	r := &run{Config: cfg, shown: map[string]bool{}}
	err := r.all(ctx)
	return cfg.Progress.summary(), err
}

func (r *run) all(ctx context.Context) (err error) {
	if err := claim(r.Out, r.Layout, r.AsOf); err != nil {
		return err
	}
	if r.disk, err = openDisk(r.Out, r.Layout.indexDir()); err != nil {
		return err
	}
	names, err := r.Mirror.Names(ctx)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		return ErrEmpty
	}
	if err := inBatches(ctx, r.Progress, names, r.batch); err != nil {
		return err
	}
	if len(r.shown) == 0 {
		return ErrEmpty
	}
	if err := r.config(); err != nil {
		return err
	}
	if err := r.removeStale(ctx); err != nil {
		return err
	}
	if err := r.disk.syncRemoved(); err != nil || !r.Prune {
		return err
	}
	return r.prune(ctx)
}

// inBatches calls batch with all names, in the order of the index: neighbours share
// folders, and git's packs.
func inBatches(ctx context.Context, p *Progress, names []string, batch func(context.Context, []string) error) error {
	p.total.Store(int64(len(names)))
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(crate.IndexPath(a), crate.IndexPath(b)) })
	for some := range slices.Chunk(names, batchSize) {
		if err := batch(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// batchSize is how many crates become durable together.
const batchSize = 1024

// batch exports some crates: it writes their files concurrently, and then names all of
// them, the crate files before the lines that name them.
func (r *run) batch(ctx context.Context, names []string) error {
	staged := make([]staged, len(names))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.GOMAXPROCS(0)) // they wait for both disks and cores
	for i, name := range names {
		g.Go(func() (err error) {
			staged[i], err = r.stage(gctx, name)
			r.Progress.done.Add(1)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return r.publish(staged)
}

// publish names the files of a batch in steps, each durable before the next: remove lines,
// crate files, new lines.
func (r *run) publish(batch []staged) error {
	for _, files := range []func(*staged) []*durable.Staged{
		func(s *staged) []*durable.Staged { return s.without },
		func(s *staged) []*durable.Staged { return s.files },
		func(s *staged) []*durable.Staged { return s.index },
	} {
		if err := r.name(batch, files); err != nil {
			return err
		}
	}
	for i := range batch {
		s := &batch[i]
		if s.path != "" {
			r.shown[s.path] = true
		}
		if !s.failed {
			r.Progress.index.Add(int64(len(s.index)))
		}
	}
	return nil
}

// name durably names files of each crate, except crates with a file that could not be named
// in an earlier step.
func (r *run) name(batch []staged, files func(*staged) []*durable.Staged) error {
	var all []*durable.Staged
	for i := range batch {
		if !batch[i].failed {
			all = append(all, files(&batch[i])...)
		}
	}
	if err := r.disk.name(all); err != nil {
		return err
	}
	for i := range batch {
		for _, f := range files(&batch[i]) {
			if err := r.own(f.Err, &batch[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// own records an error about one crate, and returns an error of the disk.
func (r *run) own(err error, s *staged) error {
	if err == nil || durable.IsBroken(err) {
		return err
	}
	s.failed = true
	r.Progress.problem(fmt.Errorf("%s: %w; its index file stays as it was", s.name, err))
	return nil
}

// config writes config.json. A first run writes it last, since cargo uses nothing from a
// tree without it. It is staged, so that a kill leaves no partial file in the tree.
func (r *run) config() error {
	name, body := r.index("config.json"), r.Layout.config(r.PublicURL)
	if body == nil || r.disk.has(name, body) {
		return nil
	}
	staged, err := r.disk.Stage(name, bytes.NewReader(body))
	if err == nil {
		err = r.disk.name([]*durable.Staged{staged})
	}
	if err != nil {
		return fmt.Errorf("writing config.json: %w", err)
	}
	return nil
}

// index returns the path of an index file in the tree.
func (r *run) index(name string) string { return path.Join(r.Layout.indexDir(), name) }

// configJSON returns the config.json that tells cargo where crate files are.
func configJSON(publicURL string) []byte {
	return fmt.Appendf(nil, "{\n\t\"dl\": %q\n}\n", publicURL+"/"+cratesDir+"/{crate}/{crate}-{version}"+crate.Ext)
}

// fileNames returns the names of a crate file in the tree.
func fileNames(id crate.ID) []string {
	name := id.FileName()
	if strings.Contains(name, "+") {
		return []string{name, strings.ReplaceAll(name, "+", " ")}
	}
	return []string{name}
}

// folderOf returns the folder of a crate's files.
func folderOf(name string) string { return path.Join(cratesDir, name) }
