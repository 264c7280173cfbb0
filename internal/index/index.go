// Package index reads an index of crates, which cargo calls a registry index: a folder with one
// file per crate and one line of JSON per version.
//
// # Forms of an index
//
// [Open] finds out what a directory is:
//
//   - A git checkout. The file list and blob ids come from HEAD's commit, the
//     contents from the working tree, where reading is fastest. Every file is
//     hashed, and one that differs from the commit (half a checkout, a
//     local edit, a "git pull" running beside us) is read from git instead.
//   - A git repository without a working tree, bare or shallow, read through
//     one "git cat-file --batch". It is the cheapest form to keep.
//   - A plain folder with the same layout, as an unpacked archive has it.
//
// With git, everything is read from the commit that HEAD named when the index was opened
// ([Index.Commit]); a plain folder cannot be pinned.
//
// # Related packages
//
// This package only reads. Package clone fetches an index and records its past, which this
// package reads ([Index.Days], [Index.At], [Index.Snapshot], [Index.Differences]); package git
// runs the program. Package plan compares an index with a mirror.
//
// # What it accepts
//
// Only paths at which cargo looks for a crate ([crate.IsIndexPath]) are index files; others are
// ignored. A file whose name cannot be mirrored ([ErrName]) is reported like an unreadable one.
// A line is parsed as strictly as by cargo: strict JSON, case-sensitive keys, no duplicate
// fields. Unknown fields and an unknown "v" are accepted, and [Entry.Raw] has them byte for
// byte.
//
// An error costs as little as possible: a bad line costs that version ([Crate.Bad]), an
// unreadable file that crate ([Crate.Err]). The whole reading ends only if the listing fails,
// git dies or the context ends.
//
// # Limits
//
// A line has at most 16 MiB, a file 256 MiB, 65,536 versions and 10,000 bad lines. Memory does
// not depend on the size of the index: some 4 MiB are read ahead, or one file if that is
// larger.
package index

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
)

// An Entry is one line of an index: one published version.
type Entry struct {
	crate.ID
	Checksum crate.Checksum
	Yanked   bool
	Unknown  bool   // the line has fields that cargo does not know
	Line     int    // counted from 1
	Raw      []byte // the line byte for byte, without its "\n" or "\r\n"
}

// A Blob is git's SHA-1 id of a file's content, the same whatever the index
// is read from.
type Blob = git.ID

// A File is an index file that was listed, but not necessarily read.
type File struct {
	Path string // slash-separated, as in "se/rd/serde"
	// Blob identifies the content. In a plain folder only reading the file tells it; it is
	// zero until then.
	Blob Blob
}

// A Crate is the content of an index file. The caller may keep Path and the IDs; the next
// iteration overwrites Entries and their Raw bytes.
type Crate struct {
	File
	Entries []Entry      // the good lines, in the order of the file
	Bad     []*LineError // the others, ordered by line
	// Err says why the whole file could not be read; there are no Entries then. Path may
	// also be a folder that cannot be read.
	Err error
	// Same says that the content is the one known to the caller of Compare; no line was
	// parsed.
	Same bool

	known Blob // from Compare
}

// A LineError says what is wrong with one line of an index file.
type LineError struct {
	Path string
	Line int
	ID   crate.ID // zero if the line has no acceptable name or version
	Err  error
}

func (e *LineError) Error() string {
	if e.ID == (crate.ID{}) {
		return fmt.Sprintf("%s:%d: %v", e.Path, e.Line, e.Err)
	}
	return fmt.Sprintf("%s:%d: %s: %v", e.Path, e.Line, e.ID, e.Err)
}

func (e *LineError) Unwrap() error { return e.Err }

// DefaultURL is the git repository of the index of crates.io.
const DefaultURL = "https://github.com/rust-lang/crates.io-index"

// Options configure [Open]. The zero value works.
type Options struct {
	// Log receives warnings about things that cost nothing but should be known. If nil,
	// nothing is logged.
	Log *slog.Logger
	// GitCache is git's core.deltaBaseCacheLimit, in bytes. If 0, it is 512 MiB: git then
	// uses some 800 MB of memory and half the time that it needs with its default of 96
	// MiB.
	GitCache int64
}

// An Index is an open index. Its methods may be called concurrently.
type Index struct {
	source   source
	dir      string
	repo     *repository // nil: a plain folder
	revision Revision
	log      *slog.Logger
}

// A repository is a git repository that contains an index.
type repository struct{ *git.Repository }

// A Revision is a commit of the index. It is zero for a plain folder.
type Revision = git.Revision

// A source lists index files and reads them.
type source interface {
	// list yields what is at index paths, ordered by path.
	list(ctx context.Context) iter.Seq2[listed, error]
	// start starts the goroutines that turn the chunks of r.todo into crates.
	start(ctx context.Context, r *run) error
	// newLookup opens one reader of single files.
	newLookup(ctx context.Context) (lookupReader, error)
	io.Closer
}

// A listed file with an err could not be read.
type listed struct {
	File
	err error
}

// Open opens the index in the directory dir. It reads a git checkout as a plain folder,
// with a warning, if there is no git to run or no commit yet. Errors: [fs.ErrNotExist];
// [exec.ErrNotFound] for a bare repository without git.
func Open(ctx context.Context, dir string, opt Options) (*Index, error) {
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("opening index: %w", err)
	}
	x, err := open(ctx, root, opt)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening index %s: %w", dir, err), root.Close())
	}
	return x, nil
}

func open(ctx context.Context, root *os.Root, opt Options) (*Index, error) {
	plain := &Index{source: &folder{root: root}, dir: root.Name(), log: opt.Log}
	gitDir, bare := git.Find(root)
	if gitDir == "" {
		return plain, nil
	}
	repo := &repository{&git.Repository{Dir: gitDir, Cache: opt.GitCache}}
	head, err := repo.Head(ctx)
	if !bare && (errors.Is(err, git.ErrUnborn) || errors.Is(err, git.ErrNone)) {
		opt.Log.Warn("reading the index as a plain folder", "dir", root.Name(), "reason", err)
		return plain, nil
	}
	if err != nil {
		return nil, err
	}
	x := &Index{dir: root.Name(), repo: repo, revision: head, log: opt.Log}
	if bare {
		x.source = &objectStore{repo: repo, commit: head.Commit}
		return x, root.Close()
	}
	x.source = &checkout{root: root, repo: repo, commit: head.Commit}
	return x, nil
}

// Commit returns the id of the opened commit, or "" for a plain folder.
func (x *Index) Commit() string { return x.revision.Commit }

// CommitTime returns the time of that commit, or zero for a plain folder.
func (x *Index) CommitTime() time.Time { return x.revision.Time }

// Crates yields the crates of the index, ordered by path. For each file it first calls
// want, in the same order and on the caller's goroutine; an unwanted file costs nothing
// more. If want is nil, all are wanted. Files that cannot be read at all (Crate.Err) are
// yielded without a call of want.
//
// The Crate is valid until the next iteration. An error ends the sequence and means that
// the rest of the index is unknown: git's listing failed, git died, or ctx ended.
func (x *Index) Crates(ctx context.Context, want func(File) bool) iter.Seq2[*Crate, error] {
	return x.Compare(ctx, func(f File) (bool, Blob) { return want == nil || want(f), Blob{} })
}

// Compare is Crates for a caller that knows the earlier content of some files. A file that
// still has the known content is read, to be sure, but not parsed, which takes most of the
// time.
func (x *Index) Compare(ctx context.Context, want func(File) (read bool, known Blob)) iter.Seq2[*Crate, error] {
	return func(yield func(*Crate, error) bool) {
		err := newRun(x, yield).crates(ctx, want)
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
}

// CheckNotEmpty returns ErrEmpty if the index has no crate. It reads little more than the
// first files.
func (x *Index) CheckNotEmpty(ctx context.Context) error {
	for _, err := range x.Crates(ctx, nil) {
		return err
	}
	return ErrEmpty
}

// Close releases the index. All loops over Crates must have ended.
func (x *Index) Close() error { return x.source.Close() }
