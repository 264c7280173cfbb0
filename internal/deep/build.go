package deep

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deflate"
)

// Source is a version to pack.
type Source struct {
	crate.Key // what its bytes must be
	// Open opens the .crate. It is called by the goroutine of Build: once, or again if
	// Options.Failed says so.
	Open func() (io.ReadCloser, error)
}

// Options of [Build]. The zero value is good.
type Options struct {
	Level  int   // of zstd, 1 to 4 as klauspost/compress counts them; 0: the best that is worth its time
	MaxTar int64 // crates with a longer tar are kept verbatim, in bytes; 0: MaxTar
	// Failed receives which source cannot be read, or is not what it must be, and says
	// whether to open it again; otherwise it is left out. If nil, it ends Build.
	Failed func(n int, err error) (again bool)
}

// Pack is a pack in memory, which [Writer.Append] writes.
type Pack struct {
	Directory
	// Took is how many sources, from the first on, are in the pack or were left out: at
	// least one, and fewer than all where a limit of the format is reached.
	Took    int
	encoded []byte
}

// Size returns the bytes of the pack in its segment.
func (p *Pack) Size() int64 { return int64(len(p.encoded)) }

// A SourceError says which source made [Build] fail: without it, the others can be
// packed. It wraps a *crate.ChecksumError, ErrTooLarge, or what reading said.
type SourceError struct {
	Number int // in sources
	crate.ID
	Err error
}

func (e *SourceError) Error() string { return fmt.Sprintf("packing %s: %v", e.ID, e.Err) }

func (e *SourceError) Unwrap() error { return e.Err }

var errNames = errors.New("a pack has versions of one crate")

// ErrNothing: all sources were left out.
var ErrNothing = errors.New("there is nothing to pack")

// Build packs versions of one crate, oldest first. Each is read, compared with its
// checksum, unpacked, and the encoder found that makes the same bytes again of its
// tar; where there is none, or the file is unusual, it is kept verbatim. Build may
// be called concurrently; it holds the content of the pack in memory about three
// times, and one .crate and its tar.
//
// Errors: *SourceError; ErrNothing; the context's.
func Build(ctx context.Context, sources []Source, o Options) (*Pack, error) {
	if len(sources) == 0 {
		return nil, ErrNothing
	}
	if o.MaxTar <= 0 || o.MaxTar > MaxTar {
		o.MaxTar = MaxTar
	}
	b := newBuilder(o)
	took := 0
	for ; took < len(sources); took++ {
		fits, err := b.addOrSkip(ctx, sources, took)
		if err != nil {
			return nil, err
		}
		if !fits {
			break
		}
	}
	if len(b.versions) == 0 {
		return nil, ErrNothing
	}
	p, err := b.finish(sources[0].Name)
	if err == nil {
		p.Took = took
	}
	return p, err
}

// addOrSkip is add of source n, or leaves it out.
func (b *builder) addOrSkip(ctx context.Context, sources []Source, n int) (fits bool, err error) {
	for {
		fits, err := b.add(ctx, sources[0].Name, sources[n])
		switch {
		case ctx.Err() != nil:
			return false, ctx.Err()
		case err == nil:
			return fits, nil
		case b.o.Failed == nil:
			return false, &SourceError{n, sources[n].ID, err}
		case !b.o.Failed(n, err):
			return true, nil
		}
	}
}

// add reports whether the version had room in the pack; if not it was not added.
func (b *builder) add(ctx context.Context, name string, s Source) (bool, error) {
	if s.Name != name {
		return false, errNames
	}
	if err := s.Check(); err != nil {
		return false, err
	}
	if len(b.versions) == MaxVersions {
		return false, nil
	}
	file, err := s.read()
	if err != nil {
		return false, err
	}
	v := Version{Key: s.Key, Size: int64(len(file))}
	m, why := openMember(file, b.o.MaxTar)
	if why == NoReason {
		fresh := b.fresh(split(m.tar, prefixOf(s.ID)))
		if !b.hasRoom(fresh, int64(len(m.tar))) {
			if len(b.versions) > 0 {
				return false, nil
			}
			why = TarTooLong // for a pack of its own
		} else if v.Encoder, err = b.identify(ctx, m); err != nil {
			return false, err
		} else if v.Encoder != Verbatim {
			v.header, v.stream, v.streamSum = m.header, int64(len(m.tar)), sha256.Sum256(m.tar)
			b.take(v, fresh)
			return true, nil
		} else {
			why = UnknownEncoder
		}
	}
	v.Reason, v.stream, v.streamSum = why, v.Size, v.Checksum
	fresh := b.fresh([]step{{op: opItem, item: file}})
	if !b.hasRoom(fresh, 0) {
		return false, nil
	}
	b.take(v, fresh)
	return true, nil
}

// read returns the .crate if it is the one that it must be.
func (s *Source) read() (file []byte, err error) {
	f, err := s.Open()
	if err != nil {
		return nil, err
	}
	file, err = io.ReadAll(io.LimitReader(f, MaxCrate+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	if len(file) > MaxCrate {
		return nil, ErrTooLarge
	}
	if got := crate.Checksum(sha256.Sum256(file)); got != s.Checksum {
		return nil, &crate.ChecksumError{ID: s.ID, Want: s.Checksum, Got: got, Size: int64(len(file))}
	}
	return file, nil
}

// prefixOf is the folder in which cargo puts the files of a version.
func prefixOf(id crate.ID) string { return id.Name + "-" + id.Version + "/" }

// identify returns the encoder that makes the member's stream of its tar, or
// Verbatim. The one of the version before is tried first.
func (b *builder) identify(ctx context.Context, m member) (deflate.Encoder, error) {
	if b.last != Verbatim {
		if e, same, err := engine.identify(ctx, m.tar, m.stream, b.last); same || err != nil {
			return e, err
		}
	}
	e, same, err := engine.identify(ctx, m.tar, m.stream)
	if same {
		b.last = e
	}
	return e, err
}

// engine is internal/deflate, or what tests put in its place.
var engine = struct {
	known    func(deflate.Encoder) bool
	encode   func(w io.Writer, e deflate.Encoder, src []byte) error
	identify func(ctx context.Context, src, stream []byte, try ...deflate.Encoder) (deflate.Encoder, bool, error)
}{deflate.Encoder.Known, deflate.Encode, deflate.Identify}
