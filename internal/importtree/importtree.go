// Package importtree finds crate files in folders that other programs filled, and hands them
// to a run of package mirror in place of upstream. So the crates of a panamax mirror, a cargo
// cache or any other tree need not be downloaded again.
//
// # How files are matched
//
// By their paths ([Named]): {name}-{version}.crate in any folder, or {name}/{version}/download
// and the like. A path is only a claim, which the run verifies file by file before it stores
// anything. If a path says nothing but the file begins like a gzip file, the file is hashed,
// and its checksum is looked up in the index.
//
// Versions that the index does not name stay where they are and are reported. If one copy of a
// version is damaged, the next one is tried.
//
// # What is done to a tree
//
// A tree is only read. No file is opened for writing, no symbolic link is followed, only
// regular files are opened, and no name leads out of the tree (durable.Open). Git repositories
// and the state of our own programs are skipped. With [Link], files get a second name, in the
// mirror.
//
// # Memory
//
// Memory does not grow with the tree. Finds are sorted on disk, in the folder Config.Scratch,
// in some 200 bytes per file. Hashed files take 16 bytes each, at most 64 MiB: when that is
// full, the index is read once to match them, and the table starts empty again. Folders are
// read some thousand names at a time. Further copies are remembered for at most [maxCopied]
// versions.
package importtree

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extsort"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// Sharing says how the mirror gets the bytes of a tree.
type Sharing uint8

const (
	Reflink Sharing = iota // share them until either file is written to, if the file system can; else copy
	Copy                   // always copy
	Link                   // one file with two names, if possible; else as Reflink
)

// Config configures [Open].
type Config struct {
	Trees     []*Tree
	Index     *index.Index  // names the versions that are taken
	Scratch   durable.FS    // for temporary files
	Skip      []fs.FileInfo // folders that are skipped: the mirror's own
	NamesOnly bool          // do not hash files whose paths say nothing
	Sharing   Sharing
	Progress  *Progress    // counts, which other goroutines may read; default: not reported
	Log       *slog.Logger // default: none

	table int // number of files that are hashed before the index is read for them; default maxTable
	run   int // bytes of finds that are sorted in memory; default extsort.RunBytes
}

// Tree is a folder that is searched for crate files.
type Tree struct {
	Dir    string // absolute
	Folder durable.Reader
	close  func() error
}

// OpenTree opens a folder. It writes nothing to it.
func OpenTree(dir string) (*Tree, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	folder, err := durable.Open(abs)
	if err != nil {
		return nil, fmt.Errorf("opening the tree: %w", err)
	}
	return &Tree{Dir: abs, Folder: folder, close: folder.Close}, nil
}

// Close releases the folder.
func (t *Tree) Close() error {
	if t.close == nil {
		return nil
	}
	return t.close()
}

// Path returns the path of a file of the tree, for people.
func (t *Tree) Path(file string) string { return filepath.Join(t.Dir, filepath.FromSlash(file)) }

// base returns the path of the tree in file: URLs.
func (t *Tree) base() string {
	dir := filepath.ToSlash(t.Dir)
	if !strings.HasPrefix(dir, "/") { // C:/panamax
		dir = "/" + dir
	}
	return strings.TrimSuffix(dir, "/") + "/"
}

// url returns the file: URL of a file of the tree.
func (t *Tree) url(file string) string {
	return (&url.URL{Scheme: "file", Path: t.base() + file}).String()
}

// place is the position of a file in a tree.
type place struct {
	Tree int // index into Config.Trees
	File string
}

// Import is the versions that an index names and trees have. It is a plan.Source for a run of
// package mirror (by Source), and its mirror.Fetcher.
type Import struct {
	cfg Config

	mu      sync.Mutex // guards what follows
	others  map[crate.ID][]place
	refused [2]bool // sharing by Reflink or Link failed once, and was logged
}

// Open searches the trees and returns what they have. Errors: durable.ErrNoSpace in Scratch;
// an unreadable index; the end of ctx. Problems with single files or folders are in the
// Report.
func Open(ctx context.Context, cfg Config) (*Import, error) {
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.Progress == nil {
		cfg.Progress = NewProgress()
	}
	if cfg.table == 0 {
		cfg.table = maxTable
	}
	if cfg.run == 0 {
		cfg.run = extsort.RunBytes
	}
	im := &Import{cfg: cfg, others: map[crate.ID][]place{}}
	err := im.clear()
	if err == nil {
		err = im.find(ctx)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("looking through the trees: %w", err), im.clear())
	}
	return im, nil
}

// find searches the trees, sorts the finds and compares them with the index.
func (im *Import) find(ctx context.Context) (err error) {
	found, err := newSorter(im.cfg.Scratch, im.cfg.run)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, found.Close()) }()
	nameless := &sums{im: im, found: found}
	w := walker{im: im, found: found, nameless: nameless}
	im.cfg.Progress.enter("looking through the trees")
	for i := range im.cfg.Trees {
		if err := w.tree(ctx, i); err != nil {
			return err
		}
	}
	if err := errors.Join(nameless.match(ctx), nameless.remove()); err != nil {
		return err
	}
	im.cfg.Progress.enter("comparing with the index")
	return im.join(ctx, found)
}

// Close removes the temporary files in Scratch.
func (im *Import) Close() error { return im.clear() }

// Report returns what the trees had, and what became of it so far.
func (im *Import) Report() *Report { return im.cfg.Progress.report() }

// clear removes the files of this import, or of a killed one, from Scratch.
func (im *Import) clear() error {
	return durable.RemoveFiles(onlyTop{im.cfg.Scratch}, ".", func(name string) bool { return strings.HasPrefix(name, scratch) })
}

// scratch is the prefix of the names of files in Config.Scratch.
const scratch = "import-tree."

// onlyTop is a folder without its subfolders.
type onlyTop struct{ durable.FS }

// ReadDir lists only the files.
func (o onlyTop) ReadDir(name string) (files []fs.DirEntry, err error) {
	entries, err := o.FS.ReadDir(name)
	for _, e := range entries {
		if !e.IsDir() {
			files = append(files, e)
		}
	}
	return files, err
}
