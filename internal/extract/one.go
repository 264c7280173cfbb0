package extract

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// Authority is who vouched for a crate.
type Authority string

// Authorities, the best first.
const (
	ByIndex    Authority = "the index"
	ByManifest Authority = "the manifest"
	ByItself   Authority = "the bundle itself"
)

// One writes one crate of a bundle to w and says who vouches for it: the index
// if that is not nil, else the manifest beside the bundle, else nobody else.
// The bytes are only good if there is no error: w must hold them back until
// then. Errors: fs.ErrNotExist if the crate is not in the bundle; *Problem if
// it is not what it ought to be.
func One(ctx context.Context, bundles durable.Reader, name string, id crate.ID, ix *index.Index, w io.Writer) (Authority, error) {
	o := one{r: &run{cfg: Config{Bundles: bundles, Index: ix}.withDefaults()}, id: id, w: w, by: ByItself}
	b, err := o.r.open(name, 0)
	if err != nil {
		return "", err
	}
	defer b.file.Close()
	if err := o.ask(ctx, name); err != nil {
		return "", err
	}
	if b.reader == nil {
		err = o.scan(ctx, b)
	} else {
		err = o.find(ctx, b)
	}
	return o.by, err
}

// one is one crate on its way out of a bundle.
type one struct {
	r     *run
	id    crate.ID
	w     io.Writer
	by    Authority
	want  crate.Checksum   // unless by is ByItself
	place bundle.Placement // as the manifest claims it, or zero
}

// ask finds out what the crate ought to be, and where it might be.
func (o *one) ask(ctx context.Context, name string) error {
	if err := o.r.findClaims(); err != nil {
		return err
	}
	o.r.claimed(name, func(e bundle.ManifestEntry) {
		if e.ID == o.id {
			o.by, o.want, o.place = ByManifest, e.Checksum, e.Placement
		}
	})
	if o.r.cfg.Index == nil {
		return nil
	}
	v := vouchers{}
	if err := o.r.ask(ctx, v, []crate.ID{o.id}); err != nil {
		return err
	}
	if !v[o.id].known {
		return &Problem{Unknown, name, o.id, errors.New("the index does not name it")}
	}
	o.by, o.want = ByIndex, v[o.id].sum
	return nil
}

// find looks where the manifest says, and otherwise everywhere.
func (o *one) find(ctx context.Context, b *opened) error {
	if o.place.FrameSize > 0 {
		c, err := b.reader.OpenMember(o.place)
		if err == nil && c.ID() == o.id {
			return o.copyMember(b, c)
		}
		if err == nil {
			c.Close()
		}
	}
	var damage error
	for m, err := range b.reader.Members() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil && damage == nil {
			damage = err
		}
		if err != nil || m.ID != o.id {
			continue
		}
		c, err := b.reader.OpenMember(m.Placement)
		if err != nil {
			return &Problem{Damaged, b.name, o.id, err}
		}
		if o.by == ByItself {
			if damage != nil {
				return &Problem{Damaged, b.name, o.id, fmt.Errorf("%w, and nothing else vouches for the crate", damage)}
			}
			o.want = m.Checksum
		}
		return o.copyMember(b, c)
	}
	return o.notThere(b, damage)
}

func (o *one) copyMember(b *opened, c *bundle.Content) error {
	defer c.Close()
	got, err := o.copy(c)
	if errors.As(err, new(*sourceError)) {
		return &Problem{Damaged, b.name, o.id, err}
	}
	if err == nil && got != o.want {
		err = &Problem{Wrong, b.name, o.id, mismatch(&bundle.Member{Size: c.Size()}, got, o.want)}
	}
	return err
}

func (o *one) copy(src io.Reader) (sum crate.Checksum, err error) {
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(o.w, h), source{src})
	h.Sum(sum[:0])
	return sum, err
}

// scan looks for the crate in a bundle of v1.1.0. If nobody else vouches, the
// bundle must be good to its end.
func (o *one) scan(ctx context.Context, b *opened) error {
	found := false
	for e, err := range bundle.Scan(io.NewSectionReader(b.bytes, 0, b.size), b.size) {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.As(err, new(*bundle.EntryError)) {
			continue
		}
		if err != nil {
			return &Problem{Damaged, b.name, o.id, err}
		}
		if e.ID != o.id {
			continue
		}
		if found {
			return &Problem{Damaged, b.name, o.id, bundle.ErrDuplicate}
		}
		found = true
		got, err := o.copy(e)
		if errors.As(err, new(*sourceError)) {
			return &Problem{Damaged, b.name, o.id, err}
		}
		if err != nil {
			return err
		}
		if o.by != ByItself {
			if got != o.want {
				return &Problem{Wrong, b.name, o.id, mismatch(&bundle.Member{Size: e.Size}, got, o.want)}
			}
			return nil
		}
	}
	if !found {
		return o.notThere(b, nil)
	}
	return nil
}

func (o *one) notThere(b *opened, damage error) error {
	if damage != nil {
		return &Problem{Damaged, b.name, o.id, fmt.Errorf("it was not found: %w", damage)}
	}
	return fmt.Errorf("%q: %s is not in the bundle: %w", b.name, o.id, fs.ErrNotExist)
}
