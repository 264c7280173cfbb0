package deep

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Rebuild returns the bytes of version n of a pack, with the sha256 in the directory; the
// caller must compare it with an index. It needs d.Cost(n) bytes of memory.
//
// Errors: *DamageError; ErrEncoder; ctx's; those of the file.
func (r *Reader) Rebuild(ctx context.Context, d *Directory, n int) ([]byte, error) {
	c, free, err := r.load(ctx, d)
	if err != nil {
		return nil, err
	}
	defer free()
	data, err := c.rebuild(ctx, d, n)
	return data, r.blame(ctx, d, err)
}

// Decoded is the decoded content of a pack in memory, from which versions can be rebuilt
// without the segment. Its methods may be called concurrently.
type Decoded struct {
	from *Reader // only its name, for errors
	d    *Directory
	c    *content
	size int64
}

// Decode reads and decodes a pack. Errors: *DamageError; ctx's; those of the file.
func (r *Reader) Decode(ctx context.Context, d *Directory) (*Decoded, error) {
	var data []byte
	c, err := r.decode(ctx, d, &data)
	if err != nil {
		return nil, err
	}
	return &Decoded{&Reader{name: r.name}, d, c, int64(cap(data))}, nil
}

// Size returns its memory in bytes: somewhat more than Directory.Content.
func (p *Decoded) Size() int64 { return p.size }

// Rebuild is like [Reader.Rebuild] for version n of the pack.
func (p *Decoded) Rebuild(ctx context.Context, n int) ([]byte, error) {
	data, err := p.c.rebuild(ctx, p.d, n)
	return data, p.from.blame(ctx, p.d, err)
}

// blame returns err as damage, unless the context or the encoder is the cause.
func (r *Reader) blame(ctx context.Context, d *Directory, err error) error {
	if err == nil || ctx.Err() != nil || errors.Is(err, ErrEncoder) || errors.Is(err, ErrNotThere) {
		return err
	}
	return r.damage(d.Placement, d.Name, err)
}

// RebuildAll rebuilds every version of a pack, which it decodes once, and calls each with
// the bytes, or a *DamageError or ErrEncoder. An error of each ends it. It needs the memory
// of the most costly version.
//
// Errors: those of Rebuild; those of each.
func (r *Reader) RebuildAll(ctx context.Context, d *Directory, each func(n int, data []byte, err error) error) error {
	return r.rebuildEach(ctx, d, d.numbers(), each)
}

// rebuildEach is like RebuildAll for the versions with these numbers.
func (r *Reader) rebuildEach(ctx context.Context, d *Directory, numbers []int, each func(n int, data []byte, err error) error) error {
	c, free, err := r.load(ctx, d)
	if err != nil {
		return err
	}
	defer free()
	for _, n := range numbers {
		data, err := c.rebuild(ctx, d, n)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := each(n, data, r.blame(ctx, d, err)); err != nil {
			return err
		}
	}
	return nil
}

// Tar returns the verified tar of version n of a pack, or ErrNotThere if the version is
// kept verbatim. Other errors are those of Rebuild.
func (r *Reader) Tar(ctx context.Context, d *Directory, n int) ([]byte, error) {
	if d.Versions[n].Encoder == Verbatim {
		return nil, fmt.Errorf("tar of %s, which is kept verbatim: %w", d.Versions[n].ID, ErrNotThere)
	}
	c, free, err := r.load(ctx, d)
	if err != nil {
		return nil, err
	}
	defer free()
	tar, err := c.stream(nil, d, n)
	if err == nil {
		err = d.Versions[n].verify(tar)
	}
	if err != nil {
		return nil, r.blame(ctx, d, err)
	}
	return tar, nil
}

// stream follows the recipe of a version: it makes the tar, or the .crate of a verbatim
// version, in buf if that is large enough.
func (c *content) stream(buf []byte, d *Directory, n int) ([]byte, error) {
	v := &d.Versions[n]
	b, err := c.join(grow(buf, v.stream)[:0:v.stream], c.recipes[n], prefixOf(v.ID))
	if err == nil && int64(len(b)) != v.stream {
		err = fmt.Errorf("%w: it makes %d bytes, want %d", errRecipe, len(b), v.stream)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", v.ID, err)
	}
	return b, nil
}

// verify compares the result of a recipe with its sha256.
func (v *Version) verify(stream []byte) error {
	return sameSum(v.ID, stream, v.streamSum, "its tar")
}

func sameSum(id crate.ID, b []byte, want crate.Checksum, what string) error {
	if got := crate.Checksum(sha256.Sum256(b)); got != want {
		return fmt.Errorf("%s: sha256 of %s is %s, the directory says %s", id, what, got, want)
	}
	return nil
}

// rebuild makes a .crate, and returns it only if it matches the directory.
func (c *content) rebuild(ctx context.Context, d *Directory, n int) ([]byte, error) {
	v := &d.Versions[n]
	if v.Encoder == Verbatim {
		file, err := c.stream(nil, d, n)
		if err == nil {
			err = v.verify(file)
		}
		return ifGood(file, err)
	}
	if !engine.known(v.Encoder) {
		return nil, fmt.Errorf("%s: %s: %w", v.ID, v.Encoder, ErrEncoder)
	}
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	tar, err := c.stream(*buf, d, n)
	if err != nil {
		return nil, err
	}
	*buf = tar
	out := &bounded{ctx: ctx, b: append(make([]byte, 0, v.Size), v.header...), left: v.Size - int64(len(v.header)) - gzipTrailer}
	err = engine.encode(out, v.Encoder, tar)
	if err == nil && out.left != 0 {
		err = errLength
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %s: %w", v.ID, v.Encoder, err)
	}
	file := appendTrailer(out.b, tar)
	return ifGood(file, sameSum(v.ID, file, v.Checksum, "what was rebuilt"))
}

func ifGood(b []byte, err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return b, nil
}

var errLength = errors.New("the rebuilt stream has a different length than in the directory")

// bounded accepts as many bytes from an encoder as the directory says, and rejects more.
type bounded struct {
	ctx  context.Context
	b    []byte
	left int64
}

func (w *bounded) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	if w.left -= int64(len(p)); w.left < 0 {
		return 0, errLength
	}
	w.b = append(w.b, p...)
	return len(p), nil
}
