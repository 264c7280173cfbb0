package deep

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

var errStub = errors.New("not written yet")

// Source is a version that is to be packed.
type Source struct {
	crate.Key // what its bytes must be
	// Open opens the .crate. It is called once, by the goroutine of Build.
	Open func() (io.ReadCloser, error)
}

// Options of [Build]. The zero value is good.
type Options struct {
	Level  int   // of zstd, 1 to 4 as klauspost/compress counts them: 0 is 3, "better"
	MaxTar int64 // crates with a longer tar are kept verbatim, in bytes; 0: MaxTar
}

// Pack is a pack in memory, which [Writer.Append] writes.
type Pack struct {
	Directory
	// Took is how many sources, from the first on, are in the pack: at least one,
	// and fewer than all where a limit of the format is reached.
	Took    int
	encoded []byte
}

// A SourceError says which source made [Build] fail: without it, the others can be
// packed. It wraps a *crate.ChecksumError, ErrTooLarge, or what reading said.
type SourceError struct {
	Number int // in sources
	crate.ID
	Err error
}

func (e *SourceError) Error() string { return "packing " + e.ID.String() + ": " + e.Err.Error() }

func (e *SourceError) Unwrap() error { return e.Err }

// Build packs versions of one crate, oldest first. Each is read, compared with its
// checksum, unpacked, and the encoder found that makes the same bytes again of its
// tar; where there is none, or the file is unusual, it is kept verbatim. Build may
// be called concurrently; it holds the content of the pack in memory about three
// times, and one .crate and its tar.
//
// Errors: *SourceError; the context's.
func Build(ctx context.Context, sources []Source, o Options) (*Pack, error) { return nil, errStub }

// Size returns the bytes of the pack in its segment.
func (p *Pack) Size() int64 { return int64(len(p.encoded)) }

// Writer writes a segment, as {name}.part until it is published. All methods may
// be called concurrently; they take turns.
//
// After a failed write or sync the Writer is dead: every later call returns
// ErrBroken. What was synced before is safe, and [Resume] finds it again.
type Writer struct{}

// Summary describes a segment.
type Summary struct {
	FileSize int64          // of the segment, in bytes
	Checksum crate.Checksum // of the segment; zero until it is finished
	Packs    int
	Versions int
	Size     int64  // of all .crates together, in bytes
	Verbatim int64  // of those that are kept verbatim
	Min, Max string // first and last crate name, in byte order
}

// Create starts the segment name: it creates {name}.part, and fails with
// fs.ErrExist if that is there.
func Create(fsys durable.FS, name string) (*Writer, error) { return nil, errStub }

// Resume takes up the unfinished segment name where a crash has left it. Every
// pack is told to each, in the order of the file; the bytes of its frames are
// those that were written. What follows the last whole pack, a torn one or the
// seek table of a segment that was finished but not published, is cut away. When
// Resume returns, all packs that it told are durable.
//
// Errors: fs.ErrNotExist; *DamageError, and nothing was changed, if a whole pack
// follows one that is not: no crash does that to packs that were synced;
// durable.ErrLinked; those of each.
func Resume(fsys durable.FS, name string, each func(*Directory) error) (*Writer, error) {
	return nil, errStub
}

// Append writes a pack. It is durable after the next Sync. ErrFull: nothing was
// written, the segment should be finished. The pack's Placement is set.
func (w *Writer) Append(p *Pack) (Placement, error) { return Placement{}, errStub }

// Sync makes everything durable that was appended before.
func (w *Writer) Sync() error { return errStub }

// Summary describes the segment as it is now.
func (w *Writer) Summary() Summary { return Summary{} }

// Finish writes the seek table and makes all durable. The segment then waits to be
// published.
func (w *Writer) Finish() (Summary, error) { return Summary{}, errStub }

// Publish closes the segment, which must be finished, and gives it its name.
func (w *Writer) Publish() error { return errStub }

// Close leaves the segment as it is, for [Resume]; after Publish it does nothing.
// It syncs nothing.
func (w *Writer) Close() error { return errStub }

// Publish renames {name}.part to name, durably. It fails with fs.ErrExist,
// changing nothing, if anything is there already; where the same file is, because
// an earlier Publish was cut off, it completes that.
func Publish(fsys durable.FS, name string) error { return errStub }

// Reader reads a segment. Its methods may be called concurrently.
type Reader struct{}

// Open opens a segment of size bytes, which may be unfinished; name is for errors.
// It fails with ErrFormat if there is neither a seek table at the end nor a pack
// at the beginning; nothing else is said by it about the state of the file.
func Open(name string, r io.ReaderAt, size int64) (*Reader, error) { return nil, errStub }

// Directory reads the directory of the pack at p. That takes one read of at most
// 32 KiB. Errors: *DamageError; those of the file.
func (r *Reader) Directory(p Placement) (*Directory, error) { return nil, errStub }

// Directories yields the directory of each pack, in the order of the file; data
// frames are not read. Damage yields a *DamageError in place of a directory, and
// the next pack follows. ErrTable and ErrUnfinished come last.
func (r *Reader) Directories() iter.Seq2[*Directory, error] { return nil }

// Rebuild returns the bytes of version n of a pack, whose sha256 is that of the
// directory: what the directory says is what an index must be asked about. It takes
// d.Cost(n) bytes of memory.
//
// Errors: *DamageError; ErrEncoder; ErrNotThere; the context's; those of the file.
func (r *Reader) Rebuild(ctx context.Context, d *Directory, n int) ([]byte, error) {
	return nil, errStub
}

// RebuildKey is Rebuild of what lies at a placement under number n, and fails with
// ErrNotThere unless that is key.
func (r *Reader) RebuildKey(ctx context.Context, p Placement, n int, key crate.Key) ([]byte, error) {
	return nil, errStub
}

// Tar returns the tar of version n of a pack, verified, and nothing of a version
// that is kept verbatim (ErrNotThere).
func (r *Reader) Tar(ctx context.Context, d *Directory, n int) ([]byte, error) {
	return nil, errStub
}

// A Depth says how much of a pack Check verifies.
type Depth int

// From the fastest to the one that leaves nothing to believe.
const (
	Frames Depth = iota // the stored bytes are those that were written
	Tars                // and decompress to the tars
	Crates              // and each .crate was rebuilt
)

// Check verifies a pack. Each version that is found good is told to each, with its
// number; nil tells nobody. A version whose encoder this program does not have is
// told with ErrEncoder at depth Crates, after its tar was verified.
//
// Errors: *DamageError, after all versions were tried; the context's; those of the
// file.
func (r *Reader) Check(ctx context.Context, d *Directory, depth Depth, each func(n int, err error)) error {
	return errStub
}

// RebuildAll rebuilds every version of a pack, which is decoded once, and tells each
// what came of it: the bytes, valid until each returns, or a *DamageError or
// ErrEncoder. An error of each ends it.
func (r *Reader) RebuildAll(ctx context.Context, d *Directory, each func(n int, data []byte, err error) error) error {
	return errStub
}
