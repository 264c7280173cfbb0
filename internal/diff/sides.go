package diff

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// A Version is a version that a side holds.
type Version struct {
	crate.Key
	Size   int64 // bytes
	Listed bool  // an index names it, so Yanked is known
	Yanked bool
}

// compare orders versions as a catalog does: by name, ignoring case, then by version.
func (v *Version) compare(w *Version) int {
	return cmp.Or(strings.Compare(strings.ToLower(v.Name), strings.ToLower(w.Name)), strings.Compare(v.Version, w.Version))
}

// A Side is a mirror or a manifest that is compared with another: [Mirror], [OpenManifest].
type Side interface {
	io.Closer
	// Revision returns the index that was mirrored, or zero if it is unknown.
	Revision(ctx context.Context) (catalog.Revision, error)
	// Versions yields the versions held, in the order of compare, each once. The sequence
	// ends after an error.
	Versions(ctx context.Context) iter.Seq2[Version, error]
	// Unread returns how many lines could not be read, once Versions has ended.
	Unread() int64
	point(path string) Point
}

// Sides returns the comparison of two sides. From and to are their paths as requested.
func Sides(ctx context.Context, from, to string, a, b Side) (*Report, error) {
	r := &Report{
		From: a.point(from), To: b.point(to),
		words: map[Kind]string{
			Added: "in the second alone", Removed: "in the first alone", Republished: "with other bytes",
			Yanked: "yanked in the second alone", Unyanked: "yanked in the first alone",
		},
		sides: [2]string{"in the first", "in the second"},
		same:  "both hold the same",
		Run: func(ctx context.Context, each func(*Change) error) (*Summary, error) {
			return runSides(ctx, a, b, each)
		},
	}
	return r, errors.Join(r.From.at(ctx, a), r.To.at(ctx, b))
}

// at sets the index of a side.
func (p *Point) at(ctx context.Context, side Side) error {
	rev, err := side.Revision(ctx)
	p.Commit, p.Time = rev.Commit, rev.Time.UTC()
	return err
}

// Differing returns how many versions differ between the sides.
func (s *Summary) Differing() (n int64) {
	for _, count := range s.Kinds {
		n += count
	}
	return n
}

func runSides(ctx context.Context, a, b Side, each func(*Change) error) (*Summary, error) {
	s := new(Summary)
	for pair, err := range pairs(a.Versions(ctx), b.Versions(ctx)) {
		if err == nil {
			err = pair.tell(s, each)
		}
		if err != nil {
			return s, err
		}
	}
	s.Unread = a.Unread() + b.Unread()
	return s, nil
}

// pair is a version on both sides; nil: the side does not hold it.
type pair struct{ was, is *Version }

// pairs merges two sides.
func pairs(a, b iter.Seq2[Version, error]) iter.Seq2[pair, error] {
	return func(yield func(pair, error) bool) {
		was, is := newCursor(a), newCursor(b)
		defer was.stop()
		defer is.stop()
		for {
			if err := errors.Join(was.err, is.err); err != nil {
				yield(pair{}, err)
				return
			}
			p := pair{was.now, is.now}
			order := 0
			switch {
			case p.was == nil && p.is == nil:
				return
			case p.was == nil:
				order = 1
			case p.is == nil:
				order = -1
			default:
				order = p.was.compare(p.is)
			}
			if order <= 0 {
				was.advance()
			} else {
				p.was = nil
			}
			if order >= 0 {
				is.advance()
			} else {
				p.is = nil
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

// tell reports how a version differs between the sides.
func (p pair) tell(s *Summary, each func(*Change) error) error {
	tell := func(k Kind, v *Version, was crate.Checksum) error {
		s.Kinds[k]++
		s.Bytes[k] += v.Size
		return each(&Change{Kind: k, Key: v.Key, Was: was, Size: v.Size, Yanked: k <= Removed && v.Listed && v.Yanked})
	}
	var none crate.Checksum
	switch {
	case p.was == nil:
		return tell(Added, p.is, none)
	case p.is == nil:
		return tell(Removed, p.was, none)
	}
	if p.was.Checksum != p.is.Checksum {
		if err := tell(Republished, p.is, p.was.Checksum); err != nil {
			return err
		}
	}
	switch {
	case !p.was.Listed || !p.is.Listed || p.was.Yanked == p.is.Yanked:
		return nil
	case p.is.Yanked:
		return tell(Yanked, p.is, none)
	}
	return tell(Unyanked, p.is, none)
}

// cursor iterates over a side.
type cursor struct {
	now  *Version // nil: at the end
	err  error
	next func() (Version, error, bool)
	stop func()
}

func newCursor(side iter.Seq2[Version, error]) *cursor {
	c := new(cursor)
	c.next, c.stop = iter.Pull2(side)
	c.advance()
	return c
}

// advance reads the next row. It checks the order, since rows out of order would look like
// differences.
func (c *cursor) advance() {
	last := c.now
	v, err, more := c.next()
	c.now, c.err = &v, err
	if !more || err != nil {
		c.now = nil
	} else if last != nil && last.compare(&v) >= 0 {
		c.err = fmt.Errorf("%w: it has %s after %s", catalog.ErrDamaged, v.ID, last.ID)
	}
}
