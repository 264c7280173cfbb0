package s3

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	api "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/middleware"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// maxPut is the most bytes that Amazon accepts in one request.
const maxPut = 5 << 30

// Put implements bucket.Bucket. If the answer to a Put with Unchanged was lost, and another
// writer has replaced the object since, it returns ErrChanged.
func (b *Bucket) Put(ctx context.Context, key string, body bucket.Body, when bucket.Condition) (bucket.Tag, error) {
	if err := b.check(key); err != nil {
		return "", err
	}
	if body.Size > maxPut {
		return "", fmt.Errorf("storing %q: %w: a request takes at most %d bytes", key, bucket.ErrTooLarge, int64(maxPut))
	}
	lost := false // an answer was
	var out *api.PutObjectOutput
	err := b.try(ctx, "storing", key, func(w *watch) (err error) {
		out, err = b.put(w, key, body, when)
		lost = lost || uncertain(err)
		return err
	})
	if err == nil {
		return bucket.Tag(aws.ToString(out.ETag)), nil
	}
	return b.resolve(ctx, key, body, lost, b.denied(key, body.Checksum, when, err))
}

func (b *Bucket) put(w *watch, key string, body bucket.Body, when bucket.Condition) (*api.PutObjectOutput, error) {
	in := &api.PutObjectInput{
		Bucket: &b.at.Bucket, Key: b.key(key), ContentLength: &body.Size,
		ContentType: textOrNil(body.ContentType), CacheControl: textOrNil(body.CacheControl),
		IfMatch: tagOrNil(when.Tag()),
	}
	if when.IsAbsent() {
		in.IfNoneMatch = aws.String("*")
	}
	var short bool
	in.Body = sending{io.NewSectionReader(body.Data, 0, body.Size), w, &short}
	out, err := b.client.PutObject(w.ctx, in, signed(body.Checksum))
	if short {
		err = errShort
	}
	return out, err
}

func textOrNil(text string) *string {
	if text == "" {
		return nil
	}
	return &text
}

// denied translates the response to a write.
func (b *Bucket) denied(key string, sum crate.Checksum, when bucket.Condition, err error) error {
	switch n := status(err); {
	case refusal(err):
		return &bucket.RefusedError{Key: key, Want: sum, Err: err}
	case n == http.StatusPreconditionFailed && when.IsAbsent():
		return fmt.Errorf("storing %q: %w", key, bucket.ErrExists)
	case n == http.StatusPreconditionFailed,
		n == http.StatusNotFound && when.Tag() != "" && code(err) != "NoSuchBucket":
		return fmt.Errorf("storing %q: %w", key, bucket.ErrChanged)
	}
	return err
}

// resolve determines the outcome of a request whose answer was lost, by reading the object.
func (b *Bucket) resolve(ctx context.Context, key string, body bucket.Body, lost bool, err error) (bucket.Tag, error) {
	if !lost || ctx.Err() != nil {
		return "", err
	}
	tag, equal, cause := bucket.Holds(ctx, b, key, body)
	if cause == nil && equal {
		return tag, nil
	}
	return "", err
}

// signed uses a known checksum as the payload hash of the signature.
func signed(sum crate.Checksum) func(*api.Options) {
	return api.WithAPIOptions(func(stack *middleware.Stack) error {
		_, err := stack.Finalize.Swap("ComputePayloadHash", payloadHash(sum))
		return err
	})
}

type payloadHash crate.Checksum

func (payloadHash) ID() string { return "ComputePayloadHash" }

func (p payloadHash) HandleFinalize(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
	return next.HandleFinalize(v4.SetPayloadHash(ctx, hex.EncodeToString(p[:])), in)
}
