package deep

import (
	"context"
	"errors"
)

// A Depth says how thoroughly Check verifies a pack.
type Depth int

// From the fastest to the most thorough.
const (
	Frames Depth = iota // the stored bytes are those that were written
	Tars                // and decompress to the tars
	Crates              // and each .crate can be rebuilt
)

// Check verifies a pack. It calls each with the number and error of each version: nil if it
// is intact, ErrEncoder at depth Crates if this program lacks its encoder, else a
// *DamageError.
//
// Errors: *DamageError if the whole pack is unusable: then each is not called; ctx's; those
// of the file.
func (r *Reader) Check(ctx context.Context, d *Directory, depth Depth, each func(n int, err error)) error {
	return r.CheckVersions(ctx, d, d.numbers(), depth, each)
}

// CheckVersions is like Check for the versions of a pack with these numbers, in this order.
// It decodes the pack once.
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

// IsDamage reports whether err is a *DamageError: the bytes at a known place are lost, and
// another copy is needed.
func IsDamage(err error) bool { return errors.As(err, new(*DamageError)) }
