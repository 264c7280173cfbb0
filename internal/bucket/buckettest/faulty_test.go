package buckettest_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
)

// A Faulty without faults keeps the contract.
func TestFaultyWithoutFaults(t *testing.T) {
	buckettest.Run(t, func(*testing.T) bucket.Bucket { return buckettest.NewFaulty(bucket.Memory()) })
}

func TestFaults(t *testing.T) {
	body := bucket.Bytes([]byte("ab"))
	for name, test := range map[string]struct {
		fault  buckettest.Fault
		stored bool  // the first request took effect
		dead   bool  // the second one fails too
		want   error // of the first one
	}{
		"before":      {buckettest.Before, false, false, buckettest.ErrInjected},
		"after":       {buckettest.After, true, false, buckettest.ErrInjected},
		"unavailable": {buckettest.Unavailable, false, false, buckettest.ErrInjected},
		"conflict":    {buckettest.Conflict, false, false, buckettest.ErrInjected},
		"taken":       {buckettest.Taken, false, false, bucket.ErrExists},
		"stall":       {buckettest.Stall, false, false, context.DeadlineExceeded},
		"kill":        {buckettest.Kill, false, true, buckettest.ErrInjected},
		"kill after":  {buckettest.KillAfter, true, true, buckettest.ErrInjected},
	} {
		inner := bucket.Memory()
		f := buckettest.NewFaulty(inner).At(1, test.fault)
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		if _, err := f.Put(ctx, "k", body, bucket.Absent()); !errors.Is(err, test.want) {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
		if _, err := inner.Head(t.Context(), "k"); (err == nil) != test.stored {
			t.Errorf("%s: stored: %v", name, err)
		}
		if _, err := f.Head(t.Context(), "k"); errors.Is(err, buckettest.ErrInjected) != test.dead {
			t.Errorf("%s: the second request: %v", name, err)
		}
		if diff := cmp.Diff([]string{"put k", "head k"}, f.Requests()); diff != "" {
			t.Error(diff)
		}
	}
}

func TestTruncatedAndStale(t *testing.T) {
	f := buckettest.NewFaulty(bucket.Memory()).At(2, buckettest.Truncated).At(3, buckettest.Stale)
	if _, err := f.Put(t.Context(), "k", bucket.Bytes([]byte("0123456789")), bucket.Absent()); err != nil {
		t.Fatal(err)
	}
	body, _, err := f.Get(t.Context(), "k", bucket.Ask{Offset: 2})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(body); !errors.Is(err, io.ErrUnexpectedEOF) || string(got) != "2345" {
		t.Errorf("truncated: %q, %v", got, err)
	}
	for o := range f.List(t.Context(), "") {
		t.Errorf("a stale list has %s", o.Key)
	}
	for o, err := range f.List(t.Context(), "") {
		if o.Key != "k" || err != nil {
			t.Errorf("the next one has %s, %v", o.Key, err)
		}
	}
}
