package deep

import (
	"context"
	"errors"
)

// A Depth says how much of a pack Check verifies.
type Depth int

// From the fastest to the one that leaves nothing to believe.
const (
	Frames Depth = iota // the stored bytes are those that were written
	Tars                // and decompress to the tars
	Crates              // and each .crate was rebuilt
)

// Check verifies a pack. Each version is told to each with its number and what is
// wrong with it: nil if it is good, ErrEncoder at depth Crates if this program does
// not have its encoder, else a *DamageError.
//
// Errors: *DamageError if the pack as a whole cannot be used: then each is told
// nothing; the context's; those of the file.
func (r *Reader) Check(ctx context.Context, d *Directory, depth Depth, each func(n int, err error)) error {
	return r.CheckVersions(ctx, d, d.numbers(), depth, each)
}

// CheckVersions is Check of the versions of a pack that have these numbers, in this
// order. The pack is decoded once.
func (r *Reader) CheckVersions(ctx context.Context, d *Directory, numbers []int, depth Depth, each func(n int, err error)) error {
	switch depth {
	case Frames:
		return r.checkFrame(d, numbers, each)
	case Tars:
		return r.checkTars(ctx, d, numbers, each)
	}
	return r.rebuildEach(ctx, d, numbers, func(n int, _ []byte, err error) error {
		each(n, err)
		return nil
	})
}

func (r *Reader) checkFrame(d *Directory, numbers []int, each func(int, error)) error {
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	var err error
	if *buf, err = r.frame(*buf, d); err != nil {
		return r.damage(d.Placement, d.Name, err)
	}
	for _, n := range numbers {
		each(n, nil)
	}
	return nil
}

func (r *Reader) checkTars(ctx context.Context, d *Directory, numbers []int, each func(int, error)) error {
	c, free, err := r.load(ctx, d)
	if err != nil {
		return err
	}
	defer free()
	buf := buffers.Get().(*[]byte)
	defer buffers.Put(buf)
	for _, n := range numbers {
		if err := ctx.Err(); err != nil {
			return err
		}
		stream, err := c.stream(*buf, d, n)
		if err == nil {
			*buf = stream
			err = d.Versions[n].verify(stream)
		}
		each(n, r.blame(ctx, d, err))
	}
	return nil
}

// IsDamage reports whether err is a *DamageError: bytes are lost, where they were
// is known, and another copy is needed.
func IsDamage(err error) bool { return errors.As(err, new(*DamageError)) }
