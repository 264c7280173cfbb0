package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

// Get implements bucket.Bucket. It resumes a body that breaks off, as long as the object is
// the same.
func (b *Bucket) Get(ctx context.Context, key string, ask bucket.Ask) (io.ReadCloser, bucket.Object, error) {
	if err := b.check(key); err != nil {
		return nil, bucket.Object{}, err
	}
	if ask.Offset < 0 || ask.Length < 0 {
		return nil, bucket.Object{}, fmt.Errorf("reading %q: %w", key, bucket.ErrRange)
	}
	r, err := b.ask(ctx, key, ask)
	if errors.Is(err, bucket.ErrRange) && ask.Offset == 0 {
		return b.empty(ctx, key, ask)
	}
	if err != nil {
		return nil, bucket.Object{}, err
	}
	return r, r.object, nil
}

// empty answers for an empty object, since no range of it can be requested.
func (b *Bucket) empty(ctx context.Context, key string, ask bucket.Ask) (io.ReadCloser, bucket.Object, error) {
	o, err := b.Head(ctx, key)
	if err == nil {
		_, err = ask.Check(o)
	}
	if err == nil && o.Size > 0 {
		err = fmt.Errorf("reading %q: the provider answers that the first byte of %d lies beyond the end", key, o.Size)
	}
	return http.NoBody, o, err
}

// ask makes one request for bytes.
func (b *Bucket) ask(ctx context.Context, key string, ask bucket.Ask) (*reading, error) {
	r := &reading{b: b, ctx: ctx, key: key, ask: ask}
	var out *api.GetObjectOutput
	err := b.try(ctx, "reading", key, func(w *watch) (err error) {
		out, err = b.client.GetObject(w.ctx, &api.GetObjectInput{
			Bucket: &b.at.Bucket, Key: b.key(key), Range: rangeOf(ask),
			IfMatch: tagOrNil(ask.Same), IfNoneMatch: tagOrNil(ask.Unless),
		})
		if err == nil {
			w.kept, r.w = true, w
			w.timer.Stop()
		}
		return err
	})
	switch status(err) {
	case http.StatusNotModified:
		return nil, fmt.Errorf("reading %q: %w", key, bucket.ErrNotModified)
	case http.StatusPreconditionFailed:
		return nil, fmt.Errorf("reading %q: %w", key, bucket.ErrChanged)
	case http.StatusRequestedRangeNotSatisfiable:
		return nil, fmt.Errorf("reading %q: %w", key, bucket.ErrRange)
	}
	if err != nil {
		return nil, absent(key, err)
	}
	r.body = out.Body
	if err := r.check(out); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func rangeOf(ask bucket.Ask) *string {
	switch {
	case ask.Length > 0:
		return aws.String(fmt.Sprintf("bytes=%d-%d", ask.Offset, ask.Offset+ask.Length-1))
	case ask.Offset > 0:
		return aws.String(fmt.Sprintf("bytes=%d-", ask.Offset))
	}
	return nil
}

func tagOrNil(tag bucket.Tag) *string {
	if tag == "" {
		return nil
	}
	return aws.String(string(tag))
}

// reading is the body of a response.
type reading struct {
	b      *Bucket
	ctx    context.Context
	key    string
	ask    bucket.Ask
	object bucket.Object
	body   io.ReadCloser
	w      *watch
	at     int64 // offset of the next byte
	left   int64 // bytes still to come
	failed int   // attempts in a row
}

// check compares the response with the request: providers that ignore a range or a
// condition send something else.
func (r *reading) check(out *api.GetObjectOutput) error {
	size := aws.ToInt64(out.ContentLength)
	if out.ContentRange != nil {
		var first, last int64
		if n, err := fmt.Sscanf(*out.ContentRange, "bytes %d-%d/%d", &first, &last, &size); err != nil || n != 3 || first != r.ask.Offset || last < first || size <= last {
			return fmt.Errorf("reading %q: the provider answers with %.80q where bytes from %d on were asked for", r.key, *out.ContentRange, r.ask.Offset)
		}
	}
	r.object = bucket.Object{Key: r.key, Size: size, Tag: bucket.Tag(aws.ToString(out.ETag)), Modified: aws.ToTime(out.LastModified)}
	length, err := r.ask.Check(r.object)
	if err != nil {
		return fmt.Errorf("reading %q: %w", r.key, err)
	}
	if got := aws.ToInt64(out.ContentLength); got != length {
		return fmt.Errorf("reading %q: the provider answers with %d bytes where %d were asked for", r.key, got, length)
	}
	r.at, r.left = r.ask.Offset, length
	return nil
}

func (r *reading) Read(p []byte) (int, error) {
	for {
		if r.left == 0 {
			return 0, io.EOF
		}
		r.w.moved() // only while a reader waits
		n, err := r.body.Read(p[:min(int64(len(p)), r.left)])
		r.w.timer.Stop()
		r.at, r.left = r.at+int64(n), r.left-int64(n)
		if n > 0 || err == nil && len(p) == 0 {
			r.failed = 0
			return n, nil // an error recurs on the next Read
		}
		if err == nil {
			continue
		}
		if err := r.goOn(err); err != nil {
			return 0, err
		}
	}
}

// goOn requests the rest after an error.
func (r *reading) goOn(err error) error {
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	if cause := context.Cause(r.w.ctx); cause != nil {
		err = cause
	}
	if r.failed++; r.failed >= tries || !r.b.pause(r.ctx, r.failed, "reading", r.key, err) {
		return errors.Join(r.b.fail(r.ctx, "reading", r.key, r.failed, errors.Join(r.ctx.Err(), err)), io.ErrUnexpectedEOF)
	}
	_ = r.Close() // it is broken
	rest, err := r.b.ask(r.ctx, r.key, bucket.Ask{Offset: r.at, Length: r.left, Same: r.object.Tag})
	if err != nil {
		r.body, r.w = http.NoBody, newWatch(r.ctx, r.b.opts.Stall)
		r.w.stop()
		return fmt.Errorf("resuming %q: %w", r.key, err)
	}
	r.body, r.w = rest.body, rest.w
	return nil
}

func (r *reading) Close() error {
	defer r.w.stop()
	return r.body.Close()
}
