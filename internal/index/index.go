// Package index reads an index of crates: the folder with one file per crate
// and one line of JSON per version that cargo calls a registry index.
//
// # Where it reads
//
// [Open] finds out what a directory is:
//
//   - A git checkout. The file list and blob ids come from HEAD's commit, the
//     contents from the working tree, where reading is fastest. Every file is
//     hashed, and one that is not what the commit says (half a checkout, a
//     local edit, a "git pull" running beside us) is read from git instead.
//   - A git repository without a working tree, bare or shallow, read through
//     one "git cat-file --batch". It is the cheapest form to keep.
//   - A plain folder with the same layout, as an unpacked archive has it.
//
// With git, everything is read from the one commit that HEAD named when the
// index was opened ([Index.Commit]); a plain folder cannot be pinned.
//
// # What it is not
//
// It only reads. Package clone fetches an index and keeps its past, which is read
// here ([Index.Days], [Index.At], [Index.Snapshot], [Index.Differences]); package
// git runs the program. What an index has against what a mirror holds is for plan.
//
// # What it accepts
//
// Only paths at which cargo looks for a crate ([crate.IsIndexPath]) are index
// files; others are none of our business. One whose name cannot be mirrored
// ([ErrName]) is told of like one that cannot be read. A line is parsed as
// strictly as cargo does: JSON by the letter, keys with their case, no field
// twice. Unknown fields and unknown
// "v" are fine, and [Entry.Raw] passes them on byte for byte.
//
// What is wrong costs as little as possible: a bad line that version
// ([Crate.Bad]), an unreadable file that crate ([Crate.Err]). Only when the
// listing breaks, git dies or the context ends does the whole reading end.
//
// # Limits
//
// A line has at most 16 MiB, a file 256 MiB, 65,536 versions and 10,000 bad lines. What is held
// in memory does not depend on the size of the index: some 4 MiB are read
// ahead, or one file if that is larger.
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
	// Blob identifies the content. In a plain folder it takes reading the file
	// to know it: there it is zero until then.
	Blob Blob
}

// A Crate is what an index file says. Path and the IDs may be kept; Entries and their Raw
// bytes are overwritten by the next iteration.
type Crate struct {
	File
	Entries []Entry      // the good lines, in the order of the file
	Bad     []*LineError // the others, ordered by line
	// Err says why the file as a whole could not be read; there are no Entries
	// then. Path may also be a folder that cannot be looked into.
	Err error
	// Same says that the content is what Compare was told of: no line was looked at.
	Same bool

	known Blob // by Compare
}

// A LineError says what is wrong with one line of an index file.
type LineError struct {
	Path string
	Line int
	ID   crate.ID // zero if the line does not tell it, or nothing acceptable
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

// Options of [Open]. The zero value works.
type Options struct {
	// Log gets warnings about things that cost nothing but should be known. If
	// nil, they are dropped.
	Log *slog.Logger
	// GitCache is git's core.deltaBaseCacheLimit in bytes. If 0, it is 512 MiB,
	// with which git takes some 800 MB of memory and half the time that its
	// own default of 96 MiB needs.
	GitCache int64
}

// An Index is an opened index. Its methods may be called concurrently.
type Index struct {
	source   source
	dir      string
	repo     *repository // nil: a plain folder
	revision Revision
	log      *slog.Logger
}

// A repository is a git repository that has an index in it.
type repository struct{ *git.Repository }

// A Revision is a commit of the index, zero for that of a plain folder.
type Revision = git.Revision

// A source lists index files and reads them.
type source interface {
	// list yields what is at index paths, in the order of paths.
	list(ctx context.Context) iter.Seq2[listed, error]
	// start starts the goroutines that turn the chunks of r.todo into crates.
	start(ctx context.Context, r *run) error
	// newLookup opens one reader of single files.
	newLookup(ctx context.Context) (lookupReader, error)
	io.Closer
}

// A listed thing with an err is not a file that could be read.
type listed struct {
	File
	err error
}

// Open opens the index in the directory dir. A git checkout is read as a plain
// folder, with a warning, if there is no git to run or no commit yet. Errors:
// [fs.ErrNotExist]; [exec.ErrNotFound] for a bare repository without git.
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

// Commit returns the id of the commit that is read, "" for a plain folder.
func (x *Index) Commit() string { return x.revision.Commit }

// CommitTime returns when that commit was made, zero for a plain folder.
func (x *Index) CommitTime() time.Time { return x.revision.Time }

// Crates yields the crates of the index in the order of their paths. For each
// file it first calls want, in the same order and on the caller's goroutine; a
// file that is not wanted costs nothing more. If want is nil, all are wanted.
// What cannot be read at all (Crate.Err) is yielded without asking.
//
// The Crate is valid until the next iteration. An error ends the sequence and means that
// the rest of the index is unknown: git's listing failed, git died, ctx ended.
func (x *Index) Crates(ctx context.Context, want func(File) bool) iter.Seq2[*Crate, error] {
	return x.Compare(ctx, func(f File) (bool, Blob) { return want == nil || want(f), Blob{} })
}

// Compare is Crates for those who know what some files held: a file that still has the
// content known is read, to be sure, but not parsed, which takes most of the time.
func (x *Index) Compare(ctx context.Context, want func(File) (read bool, known Blob)) iter.Seq2[*Crate, error] {
	return func(yield func(*Crate, error) bool) {
		err := newRun(x, yield).crates(ctx, want)
		if err != nil && !errors.Is(err, errStopped) {
			yield(nil, err)
		}
	}
}

// CheckNotEmpty returns ErrEmpty if there is no crate in the index, before
// anything is begun for it. It reads little more than the first files.
func (x *Index) CheckNotEmpty(ctx context.Context) error {
	for _, err := range x.Crates(ctx, nil) {
		return err
	}
	return ErrEmpty
}

// Close releases the index; loops over Crates must have ended.
func (x *Index) Close() error { return x.source.Close() }
