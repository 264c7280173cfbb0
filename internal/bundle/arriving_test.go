package bundle

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/bundletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// whole reads a bundle with Arriving.
func whole(b []byte) (members []Member, err error) {
	for m, err := range Arriving(bytes.NewReader(b), int64(len(b))) {
		if err != nil {
			return members, err
		}
		members = append(members, m)
	}
	return members, nil
}

// A bundle without an error for Members has none for Arriving, and has the same members; a
// bundle with an error for Members, at any flipped bit or truncated at any byte, also has
// one for Arriving.
func TestArrivingIsAsStrictAsMembers(t *testing.T) {
	b, _ := build(t, append(items(), item{ID: crate.ID{Name: "large", Version: "1.0.0"}, Data: bundletest.Noise(3<<20/2, 7)}))
	var want []Member
	for m, err := range (&Reader{bytes.NewReader(b), int64(len(b))}).Members() {
		must(t, err)
		want = append(want, m)
	}
	if got, err := whole(b); err != nil || !slices.Equal(got, want) {
		t.Fatalf("%v, %v; want %v", got, err, want)
	}
	b, _ = build(t, items())
	first, step := durabletest.Every(97, nil)
	for bit := first; bit < 8*len(b); bit += step {
		bad := bytes.Clone(b)
		bad[bit/8] ^= 1 << (bit % 8)
		_, errs := read(t, bad, items())
		if _, err := whole(bad); (err == nil) != (len(errs) == 0) {
			t.Errorf("bit %d: %v; Members says %v", bit, err, errs)
		}
	}
	for cut := range b {
		if _, err := whole(b[:cut]); !errors.As(err, new(*DamageError)) && !errors.Is(err, ErrTable) {
			t.Errorf("cut at byte %d: %v", cut, err)
		}
	}
	if _, err := whole(append(b, 0)); !errors.Is(err, ErrTable) {
		t.Errorf("a byte behind the end: %v", err)
	}
}

// Arriving yields members before the bundle has arrived: it never reads far ahead of the
// member.
func TestArrivingDoesNotWaitForTheEnd(t *testing.T) {
	var all []item
	for i := range 24 {
		all = append(all, item{ID: crate.ID{Name: "a" + string(rune('a'+i)), Version: "1.0.0"}, Data: bundletest.Noise(900<<10, uint64(i))})
	}
	b, _ := build(t, all)
	slow := &opening{bytes.NewReader(b), make(chan struct{}), int64(len(b)) / 4 * 3}
	n := 0
	for _, err := range Arriving(slow, int64(len(b))) {
		must(t, err)
		if n++; n == len(all)/8 {
			close(slow.rest)
		}
	}
	if n != len(all) {
		t.Errorf("%d members, want %d", n, len(all))
	}
}

// opening is a file whose rest has not arrived yet.
type opening struct {
	io.ReaderAt
	rest chan struct{}
	at   int64
}

func (o *opening) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > o.at {
		select {
		case <-o.rest:
		case <-time.After(time.Minute):
			return 0, errors.New("nothing was yielded of what is there")
		}
	}
	return o.ReaderAt.ReadAt(p, off)
}
