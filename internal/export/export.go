// Package export makes a tree of a mirror that needs no program of ours: any
// web server (nginx, S3) gives it to cargo with no rule of its own, and cargo
// reads it from a disk by file://.
//
// # The tree
//
//	index/config.json                        where the rest is
//	index/{1|2|3/a|ab/cd}/{name}             the lines of a crate
//	crates/{name}/{name}-{version}.crate     as on static.crates.io
//	index.git                                index/ as a git repository, unless it is not wanted
//	.clonecratesio-export/                   lock, unfinished files
//
// cargo takes the paths of crate files from the markers in config.json
// ("{crate}/{crate}-{version}.crate"), so that they are names of plain files. It
// sends the "+" of a version as it is. Every web server takes that for a "+",
// but S3 for a space (crates.io#4891): such a file has a second name, with a
// space.
//
// cargo reads a sparse index by HTTP alone. By file:// it wants a git
// repository, while "dl" may be a file:// URL.
//
// # What may be relied on
//
// A crate file gets its name after its bytes were hashed. A line gets into the index
// after its crate file is durable, and a line that is not shown any more is gone before
// its crate file is. So at whatever instant a run ends, and for readers meanwhile, every
// line leads to the bytes that it names, and the next run resumes from there: files that
// are there with their size and whose line is in the tree, and index files whose content
// is right, are not written again. Of a version that was published again, whose file has
// its name already, the old line goes first: for an instant there is none. (index.git
// follows at the end: until then, its line is that of the old bytes, and cargo refuses
// the new ones.)
//
// A tree is that of the index as it is whenever it is exported, or always that of one
// commit of its past: [Config.AsOf]. The two are not mixed.
//
// The tree is ours: index files that are not what the mirror shows are replaced
// or removed. Crate files stay, also those that no line names, unless
// [Config.Prune] is set.
//
// Where the mirror has a loose file on the same file system, the tree gets a
// hard link to it.
//
// # In a bucket
//
// [RunBucket] makes the same tree of objects, without index.git. There each object is
// durable when it was put, so crates need not wait for each other; of each, the order is
// the same. What the index in the bucket has is remembered in a folder of this machine,
// and forgotten before it changes. An object, .clonecratesio-export/export.json, says
// which run was the last: a run that finds another one's there stops, and does not
// believe what is remembered here.
//
// # Memory
//
// The names of crates and the paths of their index files, some 150 bytes a
// crate: 30 MB for 200,000. A thousand crates are under way at a time.
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
	// StateDir keeps what is not for clients.
	StateDir = ".clonecratesio-export"
	// IndexDir is the sparse index: its URL is what cargo asks for.
	IndexDir = "index"
	// GitDir is the same index as a bare git repository.
	GitDir = "index.git"

	cratesDir  = "crates"
	tempDir    = StateDir + "/tmp"
	configName = IndexDir + "/config.json"
)

// Mirror is what is exported: a reader.View that shows what is held, or a
// reader.Snapshot.
type Mirror interface {
	// Names returns the names of all crates that may be shown, in any order.
	Names(ctx context.Context) ([]string, error)
	// Crate returns what is shown of one. Errors: fs.ErrNotExist.
	Crate(ctx context.Context, name string) (*reader.Crate, error)
	// OpenBytes opens the crate file of a line, whose bytes were hashed. Errors:
	// fs.ErrNotExist; *reader.DamagedError.
	OpenBytes(ctx context.Context, key crate.Key) (*reader.File, error)
}

// Config of [Run].
type Config struct {
	Mirror Mirror
	// Out is the folder of the tree, which [Prepare] has seen and whose lock the
	// caller holds.
	Out durable.FS
	// Layout is where in the tree what is. Run refuses a tree of another: ErrLayout.
	Layout Layout
	// PublicURL is where clients find the tree, without a slash at its end. It
	// goes into config.json.
	PublicURL string
	// AsOf is the id of the commit of the index's past that Mirror shows; empty: it
	// shows the index as it is now. Run refuses a tree of another: *PointError.
	AsOf string
	// Prune removes crate files that no line names.
	Prune bool
	// VerifyExisting hashes the crate files that are in the tree, and replaces
	// those that are wrong. Otherwise their size is looked at.
	VerifyExisting bool
	// AcceptShrink takes index files away however many they are. Otherwise more
	// than index.MaxShrink percent is an error, and all stay.
	AcceptShrink bool
	// Log gets what an operator should know. If nil, nothing is logged.
	Log *slog.Logger
	// Progress gets the counts. If nil, they are not reported.
	Progress *Progress
}

// ErrEmpty: the mirror shows nothing. The tree stays as it was.
var ErrEmpty = errors.New("the mirror holds nothing that its index names")

// run is one Run. Its fields do not change but for what Progress and the disk's
// batch guard themselves; shown belongs to Run's goroutine.
type run struct {
	Config
	disk  *disk
	shown map[string]bool // index paths that the mirror shows
}

// Run brings the tree up to date with the mirror. What concerns single crates is in the
// summary; an error means that the run could not continue.
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

// batch exports some crates: files are written side by side, then all get their
// names, the crate files before the lines that name them.
func (r *run) batch(ctx context.Context, names []string) error {
	staged := make([]staged, len(names))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * runtime.GOMAXPROCS(0)) // disks and cores are both waited for
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

// publish gives the files of a batch their names, in steps, each durable before the next:
// lines that must go, crate files, lines.
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

// name gives some files of each crate their names, durably, unless one that was to
// have its name before could not get it.
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

// own tells the trouble of one crate from that of the disk, which it returns.
func (r *run) own(err error, s *staged) error {
	if err == nil || durable.IsBroken(err) {
		return err
	}
	s.failed = true
	r.Progress.problem(fmt.Errorf("%s: %w; its index file stays as it was", s.name, err))
	return nil
}

// config writes config.json. A first run does so last: cargo takes nothing from
// half a tree. It is staged, as all is, where a kill leaves nothing in the tree.
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

// index is the path of a file of the index in the tree.
func (r *run) index(name string) string { return path.Join(r.Layout.indexDir(), name) }

// configJSON tells cargo where crate files are.
func configJSON(publicURL string) []byte {
	return fmt.Appendf(nil, "{\n\t\"dl\": %q\n}\n", publicURL+"/"+cratesDir+"/{crate}/{crate}-{version}"+crate.Ext)
}

// fileNames are the names that a crate file has in the tree.
func fileNames(id crate.ID) []string {
	name := id.FileName()
	if strings.Contains(name, "+") {
		return []string{name, strings.ReplaceAll(name, "+", " ")}
	}
	return []string{name}
}

// folderOf is the folder of a crate's files.
func folderOf(name string) string { return path.Join(cratesDir, name) }
