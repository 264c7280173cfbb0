// Package address opens the bucket that an address names:
//
//	s3://BUCKET/PREFIX?endpoint=https://HOST&region=REGION
//	file:///FOLDER
//	mem:
//
// The prefix is prepended to every key. Settings that an S3 address omits come from where
// Amazon's own programs look: AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID and
// AWS_SECRET_ACCESS_KEY, AWS_PROFILE and ~/.aws, the role of the machine or the pod.
// Credentials are never part of an address.
package address

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/s3"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/web"
)

// Options configures a bucket. Its zero value is the usual configuration.
type Options struct {
	ReadOnly bool         // the caller never writes: skip probing writes
	NoProbe  bool         // skip probing: the caller examines the provider
	Unseen   bool         // skip checking that the bucket exists: the caller can do without it for a while
	PartSize int64        // of uploads in bytes; 0: the usual size
	Log      *slog.Logger // logs retried requests; if nil, they are not logged
}

// Open opens a bucket. It returns an error if the provider breaks the contract.
func Open(ctx context.Context, address string, opts Options) (bucket.Bucket, error) {
	b, err := open(ctx, address, opts)
	if err != nil || opts.ReadOnly || opts.NoProbe {
		return b, err
	}
	return b, bucket.Probe(ctx, b)
}

// OpenReader opens a bucket for reading, also one behind a web server:
// https://HOST/replicate/.
func OpenReader(ctx context.Context, address string, opts Options) (bucket.Reader, error) {
	if strings.HasPrefix(address, "http://") || strings.HasPrefix(address, "https://") {
		return web.Open(address)
	}
	opts.ReadOnly = true
	return Open(ctx, address, opts)
}

func open(ctx context.Context, address string, opts Options) (bucket.Bucket, error) {
	scheme, rest, ok := strings.Cut(address, ":")
	if !ok || len(scheme) == 1 { // C:\folder
		return nil, fmt.Errorf("%q is no address of a bucket: one begins with s3:// or file://", address)
	}
	switch scheme {
	case "mem":
		return bucket.Memory(), nil
	case "s3":
		at, err := s3.ParseAddress(address)
		if err != nil {
			return nil, err
		}
		return s3.Open(ctx, at, s3.Options{Log: opts.Log, PartSize: opts.PartSize, Unseen: opts.Unseen})
	case "file":
		dir, err := folderPath(address, rest)
		if err != nil {
			return nil, err
		}
		return bucket.Folder(dir)
	}
	return nil, fmt.Errorf("%q: there are no buckets of the kind %s:, but s3:// and file://", address, scheme)
}

// folderPath returns the folder of file:///folder, or of file:///C:/folder on Windows.
func folderPath(address, rest string) (string, error) {
	text, ok := strings.CutPrefix(rest, "//")
	if !ok || !strings.HasPrefix(text, "/") {
		return "", fmt.Errorf("%q is no address of a folder: one has three slashes, file:///srv/mirror", address)
	}
	dir, err := url.PathUnescape(text)
	if err != nil {
		return "", fmt.Errorf("%q is no address of a folder: %w", address, err)
	}
	if len(dir) > 2 && dir[2] == ':' {
		dir = dir[1:]
	}
	return filepath.FromSlash(dir), nil
}
