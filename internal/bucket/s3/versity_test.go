package s3_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/buckettest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/s3"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// A real server keeps the contract through this package.
func TestVersity(t *testing.T) {
	v := buckettest.StartVersity(t)
	var n atomic.Int64
	buckettest.Run(t, func(t *testing.T) bucket.Bucket {
		return open(t, v.Address(fmt.Sprint("run/", n.Add(1))))
	})
}

func open(t *testing.T, address string) *s3.Bucket {
	t.Helper()
	at, err := s3.ParseAddress(address)
	if err != nil {
		t.Fatal(err)
	}
	b, err := s3.Open(t.Context(), at, s3.Options{PartSize: 5 << 20, Backoff: 20 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func random(size int) []byte {
	data := make([]byte, size)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(data) // never fails
	return data
}

func TestVersityParts(t *testing.T) {
	b := open(t, buckettest.StartVersity(t).Address("p"))
	data := random(12 << 20)
	tag, err := b.Upload(t.Context(), "k", bucket.Bytes(data), nil)
	if err != nil {
		t.Fatal(err)
	}
	got, o, err := bucket.ReadAll(t.Context(), b, "k", bucket.Ask{}, 13<<20)
	if err != nil || !bytes.Equal(got, data) || o.Tag != tag {
		t.Errorf("%d bytes came back, %v", len(got), err)
	}
}

// A real server passes the thorough probe.
func TestVersityExamined(t *testing.T) {
	durabletest.Asked(t)
	b := open(t, buckettest.StartVersity(t).Address("p"))
	for f := range bucket.Examine(t.Context(), b) {
		if f.Err != nil {
			t.Errorf("%s: %v", f.Check, f.Err)
		}
	}
}

// A real server that loses updates is detected. It does not lose one in every examination
// (in about nine of ten), so there are several.
func TestTornVersityIsRefused(t *testing.T) {
	durabletest.Seldom(t, 3)
	b := open(t, buckettest.StartTornVersity(t).Address("p"))
	for range 6 {
		for f := range bucket.Examine(t.Context(), b) {
			if f.Check == "reads" && errors.As(f.Err, new(*bucket.BrokenError)) {
				return
			}
		}
	}
	t.Error("a server that loses updates is believed")
}

// An upload resumes after its server is killed and started again.
func TestVersityRestarts(t *testing.T) {
	durabletest.Seldom(t, 3)
	v := buckettest.StartVersity(t)
	at, err := s3.ParseAddress(v.Address("p"))
	if err != nil {
		t.Fatal(err)
	}
	b, err := s3.Open(t.Context(), at, s3.Options{PartSize: 5 << 20, Backoff: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	body := bucket.Bytes(random(40 << 20))
	parts := &restarting{restart: func() {
		v.Kill()
		v.Start(t)
	}}
	if _, err := b.Upload(t.Context(), "k", body, parts); err != nil {
		t.Fatal(err)
	}
	if _, equal, err := bucket.Holds(t.Context(), b, "k", body); err != nil || !equal || parts.saved < 8 {
		t.Errorf("it is there: %v, %v, saved %d times", equal, err, parts.saved)
	}
}

// restarting is bucket.Parts that restarts the server once the third part is stored.
type restarting struct {
	remembered
	saved   int
	restart func()
}

func (r *restarting) Save(state []byte) error {
	if r.saved++; r.saved == 4 {
		r.restart()
	}
	return r.remembered.Save(state)
}
