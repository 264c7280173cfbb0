package bucket

import (
	"context"
	"crypto/sha256"
	"errors"
	"io"
)

// same decides the outcome of an Upload that found the key taken: success if the object has
// the bytes of body, otherwise err.
func same(ctx context.Context, b Reader, key string, body Body, err error) (Tag, error) {
	if !errors.Is(err, ErrExists) {
		return "", err
	}
	tag, equal, cause := Holds(ctx, b, key, body)
	if cause != nil {
		return "", cause
	}
	if !equal {
		return "", err
	}
	return tag, nil
}

// Holds reports whether the object under key has the bytes of body, and returns its tag if
// so. It reads the whole object. An absent object is an error, fs.ErrNotExist.
func Holds(ctx context.Context, b Reader, key string, body Body) (_ Tag, _ bool, err error) {
	r, o, err := b.Get(ctx, key, Ask{})
	if err != nil {
		return "", false, err
	}
	defer func() { err = errors.Join(err, r.Close()) }()
	if o.Size != body.Size {
		return o.Tag, false, nil
	}
	h := sha256.New()
	if _, err := io.Copy(h, r); err != nil {
		return o.Tag, false, err
	}
	return o.Tag, [sha256.Size]byte(h.Sum(nil)) == body.Checksum, nil
}
