package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	api "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

const (
	maxParts = 10_000 // per upload, Amazon's limit
	// atOnce is how many parts are sent at a time: enough to fill a link with high latency,
	// few enough to be polite.
	atOnce = 4
	// restarts bounds how often an upload starts again because the provider lost it (404)
	// or another one was in progress (409, after which Amazon demands it).
	restarts = 3
	// joinStall is how long a provider may join parts without sending a byte: some copy
	// them.
	joinStall = 15 * time.Minute
)

// errGone says that the provider no longer knows the upload.
var errGone = errors.New("the provider has lost the upload")

// Upload implements bucket.Bucket. It sends a body that is larger than a part in several
// parts, some at a time. It does not send a part again that an earlier call sent, if the
// provider's list and ours agree on it.
func (b *Bucket) Upload(ctx context.Context, key string, body bucket.Body, parts bucket.Parts) (bucket.Tag, error) {
	if err := b.check(key); err != nil {
		return "", err
	}
	o, err := b.Head(ctx, key)
	if err == nil {
		tag, err := b.compare(ctx, key, body, o)
		return tag, b.forget(ctx, key, parts, err)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if body.Size <= b.opts.PartSize {
		tag, err := b.Put(ctx, key, body, bucket.Absent())
		if errors.Is(err, bucket.ErrExists) {
			return b.taken(ctx, key, body)
		}
		return tag, err
	}
	for n := 1; ; n++ {
		tag, err := b.uploadParts(ctx, key, body, parts)
		if !errors.Is(err, errGone) || n == restarts {
			return tag, err
		}
	}
}

// taken determines the outcome of an upload that found the key taken.
func (b *Bucket) taken(ctx context.Context, key string, body bucket.Body) (bucket.Tag, error) {
	o, err := b.Head(ctx, key)
	if err != nil {
		return "", err
	}
	return b.compare(ctx, key, body, o)
}

func (b *Bucket) compare(ctx context.Context, key string, body bucket.Body, o bucket.Object) (bucket.Tag, error) {
	if o.Size != body.Size {
		return "", fmt.Errorf("storing %q: %w, with %d bytes instead of %d", key, bucket.ErrExists, o.Size, body.Size)
	}
	tag, equal, err := bucket.Holds(ctx, b, key, body)
	if err == nil && !equal {
		err = fmt.Errorf("storing %q: %w, with other bytes", key, bucket.ErrExists)
	}
	return tag, err
}

func (b *Bucket) uploadParts(ctx context.Context, key string, body bucket.Body, parts bucket.Parts) (bucket.Tag, error) {
	u := &upload{b: b, key: key, body: body, parts: parts}
	if err := u.begin(ctx); err != nil {
		return "", err
	}
	err := u.sendAll(ctx)
	var tag bucket.Tag
	if err == nil {
		tag, err = u.join(ctx)
	}
	return tag, u.end(ctx, err)
}

// sendAll sends the parts that the provider lacks.
func (u *upload) sendAll(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for n := range u.count() {
		if u.has(n) {
			continue
		}
		group.Go(func() error { return u.send(ctx, n) })
	}
	return group.Wait()
}

// send hashes and sends one part. It reads the bytes twice instead of holding them in
// memory; the second time they come from the system's cache.
func (u *upload) send(ctx context.Context, n int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	offset, size := u.span(n)
	sum, got, err := crate.Hash(io.NewSectionReader(u.body.Data, offset, size))
	if err == nil && got != size {
		err = errShort
	}
	if err != nil {
		return fmt.Errorf("storing %q: reading part %d: %w", u.key, n+1, err)
	}
	var out *api.UploadPartOutput
	err = u.b.try(ctx, "storing a part of", u.key, func(w *watch) (err error) {
		var short bool
		out, err = u.b.client.UploadPart(w.ctx, &api.UploadPartInput{
			Bucket: &u.b.at.Bucket, Key: u.b.key(u.key), UploadId: &u.state.ID, PartNumber: aws.Int32(int32(n + 1)),
			ContentLength: &size, Body: sending{io.NewSectionReader(u.body.Data, offset, size), w, &short},
		}, signed(sum))
		if short {
			err = errShort
		}
		return err
	})
	switch {
	case err == nil:
		return u.sent(n, part{Checksum: sum.String(), Tag: aws.ToString(out.ETag)})
	case refusal(err):
		return &bucket.RefusedError{Key: u.key, Want: sum, Err: err}
	case status(err) == http.StatusNotFound && code(err) == "NoSuchUpload":
		return errors.Join(errGone, err)
	}
	return err
}

// join makes the parts one object, unless the key is taken.
func (u *upload) join(ctx context.Context) (bucket.Tag, error) {
	list := &types.CompletedMultipartUpload{}
	for n := range u.count() {
		list.Parts = append(list.Parts, types.CompletedPart{PartNumber: aws.Int32(int32(n + 1)), ETag: aws.String(u.state.Parts[n].Tag)})
	}
	lost := false
	err := u.b.tryWithin(ctx, max(joinStall, u.b.opts.Stall), "joining the parts of", u.key, func(w *watch) error {
		_, err := u.b.client.CompleteMultipartUpload(w.ctx, &api.CompleteMultipartUploadInput{
			Bucket: &u.b.at.Bucket, Key: u.b.key(u.key), UploadId: &u.state.ID, MultipartUpload: list, IfNoneMatch: aws.String("*"),
		})
		lost = lost || uncertain(err)
		if status(err) == http.StatusConflict {
			err = errGone // the caller starts again: retrying this is useless
		}
		return err
	})
	switch {
	case err == nil:
		return u.joined(ctx)
	case status(err) == http.StatusPreconditionFailed, status(err) == http.StatusNotFound && lost:
		tag, cause := u.b.taken(ctx, u.key, u.body)
		if errors.Is(cause, fs.ErrNotExist) {
			return "", errors.Join(errGone, err)
		}
		return tag, cause
	case status(err) == http.StatusNotFound:
		return "", errors.Join(errGone, err)
	}
	return u.b.resolve(ctx, u.key, u.body, lost, err)
}

// joined describes the object made of the parts.
func (u *upload) joined(ctx context.Context) (bucket.Tag, error) {
	o, err := u.b.Head(ctx, u.key)
	if err == nil && o.Size != u.body.Size {
		err = fmt.Errorf("storing %q: the provider made %d bytes of parts with %d", u.key, o.Size, u.body.Size)
	}
	return o.Tag, err
}
