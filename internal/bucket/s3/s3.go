// Package s3 implements bucket.Bucket for providers with Amazon's S3 API.
//
// Every body is sent with its SHA-256 as the payload hash of the signature
// (x-amz-content-sha256). The provider therefore rejects any other bytes, without the
// checksum features in which providers differ. For a crate it is the checksum that the
// index names, so nothing is hashed twice.
//
// Requests are retried here and not by Amazon's library, because the meaning of an answer
// depends on earlier requests: a 412 after a lost answer may be due to our own success,
// which reading the object back shows ([bucket.Holds]).
//
// Conditional writes: https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
package s3

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	api "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/logging"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
)

// Options are settings that an address does not contain. The zero value is the usual
// configuration.
type Options struct {
	// PartSize is the size of the parts of uploads in bytes, at least 5 MiB. 0: 64 MiB.
	PartSize int64
	// Stall is how long a request may go without a byte before it is aborted and retried.
	// 0: a minute.
	Stall time.Duration
	// Backoff is the longest pause before a retry. 0: 20 seconds.
	Backoff time.Duration
	// Unseen makes Open skip the check that the bucket exists.
	Unseen bool
	// Log logs retries. If nil, they are not logged.
	Log *slog.Logger
}

const (
	defaultPartSize = 64 << 20
	defaultStall    = time.Minute
	defaultBackoff  = 20 * time.Second
)

func (o *Options) fill() {
	if o.PartSize == 0 {
		o.PartSize = defaultPartSize
	}
	if o.Stall == 0 {
		o.Stall = defaultStall
	}
	if o.Backoff == 0 {
		o.Backoff = defaultBackoff
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
}

// Bucket is an S3 bucket, restricted to a prefix.
type Bucket struct {
	at     Address
	client *api.Client
	opts   Options
	scrub  scrubber
}

var _ bucket.Bucket = (*Bucket)(nil)

// Open opens the bucket at an address. It looks for credentials where Amazon's own programs
// do: environment, ~/.aws, the role of the machine or the pod. It checks that the bucket
// exists, and nothing else: see [bucket.Probe].
func Open(ctx context.Context, at Address, opts Options) (*Bucket, error) {
	opts.fill()
	cfg, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(httpClient()), config.WithLogger(logging.Nop{}))
	if err != nil {
		return nil, fmt.Errorf("opening %s: reading the settings of AWS: %w", at, err)
	}
	if at.Region == "" {
		at.Region = cfg.Region
	}
	b := &Bucket{opts: opts, scrub: scrubber{cfg.Credentials}}
	b.client = api.NewFromConfig(cfg, func(o *api.Options) {
		if at.Endpoint != "" {
			o.BaseEndpoint = &at.Endpoint
		}
		if o.BaseEndpoint != nil {
			at.Endpoint = *o.BaseEndpoint
		}
		if at.Region == "" && at.Endpoint != "" {
			at.Region = "us-east-1" // accepted by servers without regions
		}
		o.Region = at.Region
		o.UsePathStyle = at.Endpoint != "" && !at.VirtualHost
		o.Retryer = aws.NopRetryer{}
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.DisableLogOutputChecksumValidationSkipped = true
	})
	b.at = at
	if err := at.check(); err != nil {
		return nil, err
	}
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return nil, fmt.Errorf("opening %s: there are no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE: %w", at, err)
	}
	if opts.Unseen {
		return b, nil
	}
	return b, b.exists(ctx)
}

// httpClient returns a client with limits for what the watchdog of a request does not see.
func httpClient() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.DisableCompression = true // a body is what is stored
		t.MaxIdleConnsPerHost = 64
		t.ResponseHeaderTimeout = 0 // left to the watchdog
	})
}

// exists returns a readable error unless the bucket can be used.
func (b *Bucket) exists(ctx context.Context) error {
	err := b.try(ctx, "opening", "", func(w *watch) error {
		_, err := b.client.HeadBucket(w.ctx, &api.HeadBucketInput{Bucket: &b.at.Bucket})
		return err
	})
	switch status(err) {
	case http.StatusNotFound:
		return fmt.Errorf("opening %s: there is no such bucket", b.at)
	case http.StatusMovedPermanently, http.StatusBadRequest:
		return fmt.Errorf("opening %s: the bucket is in another region than %q, or the endpoint is no S3: %w", b.at, b.at.Region, err)
	}
	return err
}

// String returns the address, which contains no credentials.
func (b *Bucket) String() string { return b.at.String() }

func (b *Bucket) key(key string) *string { return aws.String(path.Join(b.at.Prefix, key)) }

func (b *Bucket) check(key string) error {
	if err := bucket.CheckKey(key); err != nil {
		return err
	}
	return bucket.CheckKey(*b.key(key))
}

// Head implements bucket.Bucket.
func (b *Bucket) Head(ctx context.Context, key string) (bucket.Object, error) {
	if err := b.check(key); err != nil {
		return bucket.Object{}, err
	}
	var out *api.HeadObjectOutput
	err := b.try(ctx, "reading", key, func(w *watch) (err error) {
		out, err = b.client.HeadObject(w.ctx, &api.HeadObjectInput{Bucket: &b.at.Bucket, Key: b.key(key)})
		return err
	})
	if err != nil {
		return bucket.Object{}, absent(key, err)
	}
	return bucket.Object{
		Key: key, Size: aws.ToInt64(out.ContentLength), Tag: bucket.Tag(aws.ToString(out.ETag)), Modified: aws.ToTime(out.LastModified),
	}, nil
}

// absent maps a provider's error for an absent object to fs.ErrNotExist, but not the one
// for an absent bucket.
func absent(key string, err error) error {
	if status(err) == http.StatusNotFound && code(err) != "NoSuchBucket" {
		return &fs.PathError{Op: "get", Path: key, Err: fs.ErrNotExist}
	}
	return err
}

// Remove implements bucket.Bucket.
func (b *Bucket) Remove(ctx context.Context, key string) error {
	if err := b.check(key); err != nil {
		return err
	}
	err := b.try(ctx, "removing", key, func(w *watch) error {
		_, err := b.client.DeleteObject(w.ctx, &api.DeleteObjectInput{Bucket: &b.at.Bucket, Key: b.key(key)})
		return err
	})
	if errors.Is(absent(key, err), fs.ErrNotExist) {
		return nil // some providers return this error, others success
	}
	return err
}

// maxPages bounds a list to 50 million objects, twenty times what crates.io has.
const maxPages = 50_000

// List implements bucket.Bucket.
func (b *Bucket) List(ctx context.Context, prefix string) iter.Seq2[bucket.Object, error] {
	return func(yield func(bucket.Object, error) bool) {
		if err := b.list(ctx, prefix, func(o bucket.Object) bool { return yield(o, nil) }); err != nil {
			yield(bucket.Object{}, err)
		}
	}
}

func (b *Bucket) list(ctx context.Context, prefix string, yield func(bucket.Object) bool) error {
	below := ""
	if b.at.Prefix != "" {
		below = b.at.Prefix + "/"
	}
	in := &api.ListObjectsV2Input{Bucket: &b.at.Bucket, Prefix: aws.String(below + prefix), EncodingType: types.EncodingTypeUrl}
	last := ""
	for range maxPages {
		var out *api.ListObjectsV2Output
		err := b.try(ctx, "listing", prefix, func(w *watch) (err error) {
			out, err = b.client.ListObjectsV2(w.ctx, in)
			return err
		})
		if err != nil {
			return err
		}
		for _, o := range out.Contents {
			key, err := listedKey(out.EncodingType, aws.ToString(o.Key))
			if err != nil || key <= last {
				return fmt.Errorf("listing %q: the provider lists %q after %q", prefix, key, last)
			}
			last = key
			name, ours := strings.CutPrefix(key, below+prefix)
			if name = prefix + name; !ours || bucket.CheckKey(name) != nil {
				continue // such as "folder/", which a console creates
			}
			if !yield(bucket.Object{Key: name, Size: aws.ToInt64(o.Size), Tag: bucket.Tag(aws.ToString(o.ETag)), Modified: aws.ToTime(o.LastModified)}) {
				return nil
			}
		}
		if !aws.ToBool(out.IsTruncated) {
			return nil
		}
		if token := aws.ToString(out.NextContinuationToken); token == "" || token == aws.ToString(in.ContinuationToken) {
			return fmt.Errorf("listing %q: the provider has more and does not say where the rest begins", prefix)
		}
		in.ContinuationToken = out.NextContinuationToken
	}
	return fmt.Errorf("listing %q: there are more than %d pages", prefix, maxPages)
}

// listedKey decodes a key of a list, where the provider encodes keys.
func listedKey(encoding types.EncodingType, key string) (string, error) {
	if encoding != types.EncodingTypeUrl {
		return key, nil
	}
	return url.QueryUnescape(key)
}
