package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

// answer is the body of an object that is being read.
type answer struct {
	object bucket.Object
	body   io.ReadCloser
	left   int64 // bytes still to come

	life  context.Context // of this request
	watch *time.Timer     // cancels it when no bytes come
	each  time.Duration
	stop  func()
}

// read interprets the response.
func (a *answer) read(resp *http.Response, key string, ask bucket.Ask) error {
	a.object = bucket.Object{Key: key, Size: resp.ContentLength, Tag: bucket.Tag(resp.Header.Get("ETag"))}
	a.object.Modified, _ = http.ParseTime(resp.Header.Get("Last-Modified")) // zero: unknown
	switch code := resp.StatusCode; code {
	case http.StatusOK:
		return a.whole(ask)
	case http.StatusPartialContent:
		return a.part(resp.Header.Get("Content-Range"), ask)
	case http.StatusNotModified:
		return bucket.ErrNotModified
	case http.StatusPreconditionFailed:
		return bucket.ErrChanged
	case http.StatusRequestedRangeNotSatisfiable:
		return bucket.ErrRange
	case http.StatusNotFound, http.StatusGone:
		return fs.ErrNotExist
	default:
		err := fmt.Errorf("the server answers %s", resp.Status)
		if code == http.StatusTooManyRequests || code == http.StatusRequestTimeout || code >= 500 {
			return transient{err}
		}
		return err
	}
}

// whole accepts a response with all of an object, also where a range was requested.
func (a *answer) whole(ask bucket.Ask) error {
	if a.object.Size < 0 {
		return errors.New("the server does not say how many bytes it sends")
	}
	if ask.Same != "" && a.object.Tag != ask.Same {
		return bucket.ErrChanged
	}
	length, err := bucket.Ask{Offset: ask.Offset, Length: ask.Length}.Check(a.object)
	if err != nil {
		return err
	}
	if ask.Offset > 0 {
		return errors.New("the server does not support ranges")
	}
	a.left = length
	return nil
}

// part accepts a response with a range of an object.
func (a *answer) part(header string, ask bucket.Ask) error {
	var first, last int64
	span, total, ok := strings.Cut(strings.TrimPrefix(header, "bytes "), "/")
	_, err := fmt.Sscanf(span, "%d-%d", &first, &last)
	size, errSize := strconv.ParseInt(total, 10, 64)
	if !ok || err != nil || errSize != nil {
		return fmt.Errorf("the server sends a range that it does not describe (%.80q)", header)
	}
	a.object.Size = size
	if ask.Same != "" && a.object.Tag != ask.Same { // a cache on the way that ignores If-Match
		return bucket.ErrChanged
	}
	want, err := bucket.Ask{Offset: ask.Offset, Length: ask.Length}.Check(a.object)
	if err != nil || first != ask.Offset || last != first+want-1 {
		return fmt.Errorf("the server sends another range than the one asked for (%.80q)", header)
	}
	a.left = want
	return nil
}

// Read implements io.Reader.
func (a *answer) Read(p []byte) (int, error) {
	if a.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > a.left {
		p = p[:a.left]
	}
	n, err := a.body.Read(p)
	a.left -= int64(n)
	a.watch.Reset(a.each)
	switch {
	case err == nil:
	case a.left == 0:
		err = nil
	case context.Cause(a.life) == errStalled:
		err = fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, errStalled)
	case a.life.Err() == nil: // the connection broke
		err = io.ErrUnexpectedEOF
	default:
		err = context.Cause(a.life)
	}
	return n, err
}

// Close implements io.Closer.
func (a *answer) Close() error {
	a.watch.Stop()
	a.stop()
	return a.body.Close()
}
