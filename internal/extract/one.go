package extract

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/legacy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// Authority is the source of a crate's checksum.
type Authority string

// Authorities, the best first.
const (
	ByCaller   Authority = "the checksum that was asked for"
	ByIndex    Authority = "the index"
	ByManifest Authority = "the manifest"
	ByItself   Authority = "the bundle itself"
)

// An AmbiguousError says that a bundle has a version with different bytes, and that no
// source says which of them are wanted.
type AmbiguousError struct {
	Bundle string
	ID     crate.ID
	Sums   []crate.Checksum // the first ones, in the order of the bundle
}

func (e *AmbiguousError) Error() string {
	text := fmt.Sprintf("%q: %s is there with different bytes, since it was published again; their sha256 are", e.Bundle, e.ID)
	for _, sum := range e.Sums {
		text += " " + sum.String()
	}
	return text
}

// maxSums bounds AmbiguousError.Sums.
const maxSums = 10

// One writes one crate of a bundle to w and returns the source of its checksum: the caller,
// if key has a checksum; else the index, if ix is not nil; else the manifest beside the
// bundle; else the bundle itself. The bytes are only valid if there is no error, so w must
// hold them back until then. Errors: fs.ErrNotExist if the crate is not in the bundle;
// *AmbiguousError; *Problem if its bytes are wrong.
func One(ctx context.Context, bundles durable.Reader, name string, key crate.Key, ix *index.Index, w io.Writer) (Authority, error) {
	o := one{r: &run{cfg: Config{Bundles: bundles, Index: ix}.withDefaults()}, id: key.ID, w: w, by: ByItself}
	if key.Checksum != (crate.Checksum{}) {
		o.by, o.want = ByCaller, key.Checksum
	}
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

// one is the state of One.
type one struct {
	r     *run
	id    crate.ID
	w     io.Writer
	by    Authority
	want  crate.Checksum   // unless by is ByItself
	place bundle.Placement // according to the manifest, or zero
	met   []crate.Checksum // distinct checksums of members that are the crate; the first ones
}

// ask determines the checksum of the crate, and its probable place. Of several lines of the
// manifest, the last one is of the current bytes.
func (o *one) ask(ctx context.Context, name string) error {
	if err := o.r.findClaims(); err != nil {
		return err
	}
	if o.by != ByCaller && o.r.cfg.Index != nil {
		v := pins{}
		if err := o.r.ask(ctx, v, []crate.ID{o.id}); err != nil {
			return err
		}
		if !v[o.id].known {
			return &Problem{Unknown, name, o.id, errors.New("the index does not name it")}
		}
		o.by, o.want = ByIndex, v[o.id].sum
	}
	o.r.claimed(name, func(e lists.ManifestEntry) {
		if e.ID != o.id {
			return
		}
		if o.by == ByItself || o.by == ByManifest {
			o.by, o.want = ByManifest, e.Checksum
		}
		if e.Checksum == o.want {
			o.place = e.Placement
		}
	})
	return nil
}

// find looks at the place in the manifest, and otherwise everywhere.
func (o *one) find(ctx context.Context, b *opened) error {
	if o.isAt(b, o.place) {
		return o.copyMember(b, o.place)
	}
	var damage error
	var at bundle.Placement
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
		at = m.Placement
		if o.meet(m.Checksum) {
			return o.copyMember(b, at)
		}
	}
	if err := o.choose(b, damage); err != nil {
		return err
	}
	return o.copyMember(b, at)
}

// isAt reports whether the wanted bytes are at a place.
func (o *one) isAt(b *opened, at bundle.Placement) bool {
	if at.FrameSize == 0 {
		return false
	}
	c, err := b.reader.OpenMember(at)
	if err != nil {
		return false
	}
	defer c.Close()
	sum, err := hash(c)
	return err == nil && c.ID() == o.id && sum == o.want
}

// meet records a member that is the crate, and reports whether it is the wanted one.
func (o *one) meet(sum crate.Checksum) bool {
	if o.by != ByItself && sum == o.want {
		return true
	}
	if len(o.met) < maxSums && !slices.Contains(o.met, sum) {
		o.met = append(o.met, sum)
	}
	return false
}

// choose chooses from the members found, when the bundle was read and none has an expected
// checksum. Only an intact bundle can be its own source of checksums.
func (o *one) choose(b *opened, damage error) error {
	switch {
	case len(o.met) == 0 && damage != nil:
		return &Problem{Damaged, b.name, o.id, fmt.Errorf("it was not found: %w", damage)}
	case len(o.met) == 0:
		return fmt.Errorf("%q: %s is not in the bundle: %w", b.name, o.id, fs.ErrNotExist)
	case o.by != ByItself:
		return &Problem{Wrong, b.name, o.id, fmt.Errorf("its sha256 is %s, but must be %s", o.met[len(o.met)-1], o.want)}
	case damage != nil:
		return &Problem{Damaged, b.name, o.id, fmt.Errorf("%w, and nothing else proves the crate", damage)}
	case len(o.met) > 1:
		return &AmbiguousError{b.name, o.id, o.met}
	}
	o.want = o.met[0]
	return nil
}

func (o *one) copyMember(b *opened, at bundle.Placement) error {
	c, err := b.reader.OpenMember(at)
	if err != nil {
		return &Problem{Damaged, b.name, o.id, err}
	}
	defer c.Close()
	return o.copy(b, c, c.Size())
}

// copy copies the wanted bytes, and fails if they changed meanwhile.
func (o *one) copy(b *opened, src io.Reader, size int64) error {
	h := sha256.New()
	_, err := io.Copy(io.MultiWriter(o.w, h), source{src})
	if errors.As(err, new(*sourceError)) {
		return &Problem{Damaged, b.name, o.id, err}
	}
	if got := crate.Checksum(h.Sum(nil)); err == nil && got != o.want {
		err = &Problem{Wrong, b.name, o.id, mismatch(&bundle.Member{Size: size}, got, o.want)}
	}
	return err
}

// scan looks for the crate in a bundle of v1.1.0, and reads it again up to there: only the
// bytes show which of several members is wanted.
func (o *one) scan(ctx context.Context, b *opened) error {
	n, found := 0, false // members of the crate
	err := o.each(ctx, b, func(e *legacy.Member) (bool, error) {
		sum, err := hash(e)
		if err != nil {
			return true, nil // the scan ends with that error
		}
		n++
		found = o.meet(sum)
		return !found, nil
	})
	if err == nil && !found {
		err = o.choose(b, nil)
	}
	if err != nil {
		return err
	}
	return o.each(ctx, b, func(e *legacy.Member) (bool, error) {
		if n--; n > 0 {
			return true, nil
		}
		return false, o.copy(b, e, e.Size)
	})
}

// each visits the members that are the crate, until visit returns false.
func (o *one) each(ctx context.Context, b *opened, visit func(*legacy.Member) (more bool, err error)) error {
	for e, err := range legacy.Open(b.bytes, b.size).Members() {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if errors.As(err, new(*legacy.MemberError)) {
			continue
		}
		if err != nil {
			return &Problem{Damaged, b.name, o.id, err}
		}
		if e.ID != o.id {
			continue
		}
		if more, err := visit(e); err != nil || !more {
			return err
		}
	}
	return nil
}
