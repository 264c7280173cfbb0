package root

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// ErrNoMirror means that a bucket has no root. It also matches fs.ErrNotExist.
var ErrNoMirror = errors.New("there is no mirror in it, clonecratesio sync -store makes one")

// Read reads the root of a bucket, and the tag with which a later call can ask for a newer
// one: if the root still has the tag unless, the error is bucket.ErrNotModified. Errors:
// ErrNoMirror, ErrFormat.
func Read(ctx context.Context, b bucket.Reader, unless bucket.Tag) (*Root, bucket.Tag, error) {
	s, err := read(ctx, b, unless)
	return s.root, s.tag, err
}

// state is a root that was read or written.
type state struct {
	root *Root
	sum  crate.Checksum // of its bytes; zero: there is none
	tag  bucket.Tag     // empty: there is none
}

func read(ctx context.Context, b bucket.Reader, unless bucket.Tag) (state, error) {
	data, object, err := bucket.ReadAll(ctx, b, Name, bucket.Ask{Unless: unless}, MaxSize)
	if errors.Is(err, bucket.ErrTooLarge) {
		err = errors.Join(ErrFormat, err)
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: %w", ErrNoMirror, err)
	}
	if err != nil {
		return state{}, err
	}
	r, err := Parse(data)
	return state{r, sha256.Sum256(data), object.Tag}, err
}
