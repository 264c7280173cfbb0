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
	crate.Key // the expected bytes
	// Open opens the .crate. The goroutine of Build calls it once, or again if
	// Options.Failed says so.
	Open func() (io.ReadCloser, error)
}

// Options configures [Build]. The zero value is usable.
type Options struct {
	Level  int   // of zstd, 1 to 4 in klauspost/compress; 0: the best that is worth its time
	MaxTar int64 // crates with a longer tar are kept verbatim, in bytes; 0: MaxTar
	// Failed is called for a source that cannot be read, or has the wrong checksum. If it
	// returns true, the source is opened again; otherwise it is left out. If Failed is nil,
	// Build returns the error.
	Failed func(n int, err error) (again bool)
}

// Pack is a pack in memory, which [Writer.Append] writes.
type Pack struct {
	Directory
	// Took is how many sources, from the first on, are in the pack or were left out: at
	// least one, and fewer than all if a limit of the format was reached.
	Took    int
	encoded []byte
}

// Size returns the bytes of the pack in its segment.
func (p *Pack) Size() int64 { return int64(len(p.encoded)) }

// A SourceError says which source made [Build] fail: without it, the others can be packed.
// It wraps a *crate.ChecksumError, ErrTooLarge, or the error of reading.
type SourceError struct {
	Number int // in sources
	crate.ID
	Err error
}

func (e *SourceError) Error() string { return fmt.Sprintf("packing %s: %v", e.ID, e.Err) }

func (e *SourceError) Unwrap() error { return e.Err }

var errNames = errors.New("a pack has versions of one crate")

// ErrNothing says that all sources were left out.
var ErrNothing = errors.New("nothing to pack")

// Build packs versions of one crate, oldest first. It reads each version, verifies its
// checksum, unpacks it, and finds the encoder that makes the same bytes of its tar. If
// there is none, or the file is unusual, the version is kept verbatim. Build may be called
// concurrently; it holds the content of the pack in memory about three times, and one
// .crate and its tar.
//
// Errors: *SourceError; ErrNothing; ctx's.
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

// addOrSkip adds source n, or leaves it out.
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

// add adds a version, and reports whether it fitted into the pack.
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
			why = TarTooLong // for a pack by itself
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

// read returns the .crate after verifying its checksum.
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

// prefixOf returns the folder of a version's files in its tar.
func prefixOf(id crate.ID) string { return id.Name + "-" + id.Version + "/" }

// identify returns the encoder that makes the member's stream of its tar, or Verbatim. It
// tries the previous version's encoder first.
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

// engine is package deflate; tests replace it.
var engine = struct {
	known    func(deflate.Encoder) bool
	encode   func(w io.Writer, e deflate.Encoder, src []byte) error
	identify func(ctx context.Context, src, stream []byte, try ...deflate.Encoder) (deflate.Encoder, bool, error)
}{deflate.Encoder.Known, deflate.Encode, deflate.Identify}
