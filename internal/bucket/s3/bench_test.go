package s3_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	api "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/s3"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

const uploadSize, uploadPart = 1 << 30, 64 << 20

// BenchmarkUpload sends a GiB to a real server on this machine, with this package and with
// Amazon's library alone: as many parts at a time, with its own checksums.
func BenchmarkUpload(b *testing.B) {
	v := buckettest.StartVersity(b)
	body := largeFile(b)
	at, err := s3.ParseAddress(v.Address(""))
	if err != nil {
		b.Fatal(err)
	}
	ours, err := s3.Open(b.Context(), at, s3.Options{})
	if err != nil {
		b.Fatal(err)
	}
	cfg, err := config.LoadDefaultConfig(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	plain := api.NewFromConfig(cfg, func(o *api.Options) { o.BaseEndpoint, o.UsePathStyle = &v.Endpoint, true })
	for name, upload := range map[string]func(key string) error{
		"ours":  func(key string) error { _, err := ours.Upload(b.Context(), key, body, nil); return err },
		"plain": func(key string) error { return plainUpload(b.Context(), plain, at.Bucket, key, body) },
	} {
		n := 0
		b.Run(name, func(b *testing.B) {
			b.SetBytes(uploadSize)
			for b.Loop() {
				key := fmt.Sprint(name, n)
				n++
				if err := upload(key); err != nil {
					b.Fatal(err)
				}
				b.StopTimer() // disks are finite
				if err := ours.Remove(b.Context(), key); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

func largeFile(b *testing.B) bucket.Body {
	f, err := os.Create(filepath.Join(b.TempDir(), "large"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	chunk := random(uploadPart)
	for n := range uploadSize / uploadPart {
		chunk[0] = byte(n)
		if _, err := f.Write(chunk); err != nil {
			b.Fatal(err)
		}
	}
	sum, size, err := crate.Hash(io.NewSectionReader(f, 0, uploadSize))
	if err != nil {
		b.Fatal(err)
	}
	return bucket.Body{Data: f, Size: size, Checksum: sum}
}

func plainUpload(ctx context.Context, client *api.Client, name, key string, body bucket.Body) error {
	out, err := client.CreateMultipartUpload(ctx, &api.CreateMultipartUploadInput{Bucket: &name, Key: &key, ChecksumAlgorithm: types.ChecksumAlgorithmCrc32})
	if err != nil {
		return err
	}
	parts := make([]types.CompletedPart, uploadSize/uploadPart)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for n := range parts {
		g.Go(func() error {
			part, err := client.UploadPart(gctx, &api.UploadPartInput{
				Bucket: &name, Key: &key, UploadId: out.UploadId, PartNumber: aws.Int32(int32(n + 1)),
				Body: io.NewSectionReader(body.Data, int64(n)*uploadPart, uploadPart), ChecksumAlgorithm: types.ChecksumAlgorithmCrc32,
			})
			if err == nil {
				parts[n] = types.CompletedPart{PartNumber: aws.Int32(int32(n + 1)), ETag: part.ETag, ChecksumCRC32: part.ChecksumCRC32}
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	_, err = client.CompleteMultipartUpload(ctx, &api.CompleteMultipartUploadInput{
		Bucket: &name, Key: &key, UploadId: out.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts},
	})
	return err
}
