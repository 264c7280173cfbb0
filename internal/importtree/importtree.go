// Package importtree finds crate files in folders that other programs have filled, and
// gives them to a run of package mirror in the place of upstream: what is in a panamax
// mirror, a cargo cache or any other tree need not be downloaded again.
//
// # How files are matched
//
// By what their paths say ([Named]): {name}-{version}.crate in any folder, or
// {name}/{version}/download and the like. That is a claim, which the run verifies file by
// file before anything is stored. A file whose path says nothing, but that begins like a
// gzip file, is hashed, and looked for among the checksums of the index.
//
// Versions that the index does not name stay where they are, and are reported. Of
// several copies of a version the next is taken where one is damaged.
//
// # What is done to a tree
//
// It is read. Nothing is opened for writing, no symbolic link is followed, nothing but
// regular files is opened, and no name leads out of the tree (durable.Open). Git
// repositories in it, and what programs of ours keep for themselves, are left out.
// With [Link], files are given a second name, in the mirror.
//
// # Memory
//
// It does not grow with a tree. What is found is sorted on disk, in the folder
// Config.Scratch, some 200 bytes a file. Of files that are hashed, 16 bytes are held
// each, 64 MiB at most: when these are full, the index is read for them, and they begin
// again. So is a folder read: some thousand names at a time. Other copies are remembered
// of [maxCopied] versions.
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

// Sharing is how bytes of a tree become those of a mirror.
type Sharing uint8

const (
	Reflink Sharing = iota // sharing them until either is written to, where the file system can; else copied
	Copy                   // always copied
	Link                   // one file with two names, where that can be; else as Reflink
)

// Config of [Open].
type Config struct {
	Trees     []*Tree
	Index     *index.Index  // names what is taken
	Scratch   durable.FS    // what is found is kept here while it is worked on
	Skip      []fs.FileInfo // folders that are left out: the mirror's own
	NamesOnly bool          // files whose paths say nothing are not hashed
	Sharing   Sharing
	Progress  *Progress    // counts, for others to read; default: not reported
	Log       *slog.Logger // default: none

	table int // files that are hashed before the index is read for them; default maxTable
	run   int // bytes of finds that are sorted in memory; default extsort.RunBytes
}

// Tree is a folder that crate files are looked for in.
type Tree struct {
	Dir    string // absolute
	Folder durable.Reader
	close  func() error
}

// OpenTree opens a folder. Nothing is written to it.
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

// Path is where a file of the tree is, for people.
func (t *Tree) Path(file string) string { return filepath.Join(t.Dir, filepath.FromSlash(file)) }

// base is the path of the tree in file: URLs.
func (t *Tree) base() string {
	dir := filepath.ToSlash(t.Dir)
	if !strings.HasPrefix(dir, "/") { // C:/panamax
		dir = "/" + dir
	}
	return strings.TrimSuffix(dir, "/") + "/"
}

// url is the file: URL of a file of the tree.
func (t *Tree) url(file string) string {
	return (&url.URL{Scheme: "file", Path: t.base() + file}).String()
}

// place is a file of a tree.
type place struct {
	Tree int // of Config.Trees
	File string
}

// Import is what trees have of what an index names: a plan.Source for a run of package
// mirror, by Source, and its mirror.Fetcher.
type Import struct {
	cfg Config

	mu      sync.Mutex // guards what follows
	others  map[crate.ID][]place
	refused [2]bool // sharing by Reflink, Link was refused once, and told
}

// Open looks through the trees and says what they have. Errors: durable.ErrNoSpace in
// Scratch, an index that cannot be read, the end of ctx; what is wrong with single files
// or folders is in the Report.
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

// find looks through the trees, sorts what it finds and compares it with the index.
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

// Close removes what was kept in Scratch.
func (im *Import) Close() error { return im.clear() }

// Report is what the trees had, and what became of it so far.
func (im *Import) Report() *Report { return im.cfg.Progress.report() }

// clear removes what this import, or a killed one, has in Scratch.
func (im *Import) clear() error {
	return durable.RemoveFiles(onlyTop{im.cfg.Scratch}, ".", func(name string) bool { return strings.HasPrefix(name, scratch) })
}

// scratch begins the names of files in Config.Scratch.
const scratch = "import-tree."

// onlyTop is a folder without the folders in it.
type onlyTop struct{ durable.FS }

// ReadDir lists the files alone.
func (o onlyTop) ReadDir(name string) (files []fs.DirEntry, err error) {
	entries, err := o.FS.ReadDir(name)
	for _, e := range entries {
		if !e.IsDir() {
			files = append(files, e)
		}
	}
	return files, err
}
