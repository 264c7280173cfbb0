package s3_test

import (
	"flag"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	api "github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/s3"
)

var server = flag.String("server", "", "test the server at this `address` of a bucket, which is made, with the credentials of the environment: see scripts/s3servers")

// TestServer: another server keeps the contract, too.
func TestServer(t *testing.T) {
	if *server == "" {
		t.Skip("there is no -server")
	}
	at, err := s3.ParseAddress(*server)
	if err != nil {
		t.Fatal(err)
	}
	makeBucket(t, at)
	run, n := time.Now().UnixNano(), atomic.Int64{}
	sub := func(t *testing.T) bucket.Bucket {
		at := at
		at.Prefix = strings.TrimPrefix(fmt.Sprintf("%s/run-%d-%d", at.Prefix, run, n.Add(1)), "/")
		return open(t, at.String())
	}
	buckettest.Run(t, sub)
	for f := range bucket.Examine(t.Context(), sub(t)) {
		if f.Err != nil {
			t.Errorf("%s: %v", f.Check, f.Err)
		}
	}
}

// makeBucket creates the bucket once the server is ready, which takes some servers seconds.
func makeBucket(t *testing.T, at s3.Address) {
	t.Helper()
	cfg, err := config.LoadDefaultConfig(t.Context(), config.WithRegion("us-east-1"))
	if err != nil {
		t.Fatal(err)
	}
	client := api.NewFromConfig(cfg, func(o *api.Options) { o.BaseEndpoint, o.UsePathStyle = &at.Endpoint, true })
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Second) {
		_, err := client.CreateBucket(t.Context(), &api.CreateBucketInput{Bucket: &at.Bucket})
		if err == nil || strings.Contains(err.Error(), "BucketAlreadyOwnedByYou") {
			return
		}
		if time.Now().After(end) {
			t.Fatal(err)
		}
	}
}
