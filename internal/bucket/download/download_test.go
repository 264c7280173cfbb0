package download_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/download"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

const key, name = "bundles/x", "x"

var good = []byte("0123456789abcdef")

func wanted() download.Want {
	return download.Want{Size: int64(len(good)), Checksum: sha256.Sum256(good)}
}

func with(t *testing.T, data []byte) bucket.Bucket {
	t.Helper()
	b := bucket.Memory()
	if _, err := b.Put(t.Context(), key, bucket.Bytes(data), bucket.Always()); err != nil {
		t.Fatal(err)
	}
	return b
}

// A download that was interrupted after any byte resumes there, and one whose bytes were
// torn by a power cut starts again.
func TestResume(t *testing.T) {
	for n := range len(good) + 3 {
		for _, torn := range []bool{false, true} {
			left := append(bytes.Clone(good), "xyz"...)[:n]
			if torn && n > 0 {
				left[n/2] ^= 1
			}
			disk := durabletest.NewMem()
			write(t, disk, left)
			from := &counting{Bucket: with(t, good)}
			if err := download.File(t.Context(), from, key, wanted(), disk, name); err != nil {
				t.Fatalf("%d bytes left, torn %t: %v", n, torn, err)
			}
			got, err := durable.ReadFile(disk, name, 100)
			if err != nil || !bytes.Equal(got, good) {
				t.Errorf("%d bytes left: %q, %v", n, got, err)
			}
			if want := max(0, int64(len(good)-n)); !torn && n <= len(good) && from.asked != want {
				t.Errorf("%d bytes left: asked for %d bytes, want %d", n, from.asked, want)
			}
		}
	}
}

// F: a wrong object leaves nothing, and an endless object is not read to its end.
func TestWrong(t *testing.T) {
	flipped := bytes.Clone(good)
	flipped[9] ^= 1
	for what, data := range map[string][]byte{
		"flipped": flipped, "short": good[:15], "long": append(bytes.Clone(good), 0), "bomb": make([]byte, 8<<20), "empty": nil,
	} {
		for _, left := range [][]byte{nil, good[:7]} {
			disk := durabletest.NewMem()
			write(t, disk, left)
			err := download.File(t.Context(), with(t, data), key, wanted(), disk, name)
			if wrong := new(download.WrongError); !errors.As(err, &wrong) || wrong.Key != key {
				t.Errorf("%s: %v", what, err)
			}
			if entries, _ := disk.ReadDir("."); len(entries) > 0 {
				t.Errorf("%s: %v is left", what, entries)
			}
		}
	}
}

// An answer that ends early is requested again from where it ended, as long as each attempt
// brings bytes.
func TestCutOff(t *testing.T) {
	for _, tt := range []struct {
		each int
		want error
	}{{1, nil}, {5, nil}, {0, io.ErrUnexpectedEOF}} {
		disk := durabletest.NewMem()
		err := download.File(t.Context(), &cutting{with(t, good), tt.each}, key, wanted(), disk, name)
		if !errors.Is(err, tt.want) {
			t.Errorf("%d bytes an answer: %v", tt.each, err)
		}
		if _, err := disk.Stat(name); (err == nil) != (tt.want == nil) {
			t.Errorf("%d bytes an answer: %v", tt.each, err)
		}
	}
}

func TestSweep(t *testing.T) {
	disk := durabletest.NewMem()
	for _, f := range []string{"a.incoming", "b.incoming", "c.part", "d"} {
		if err := durable.WriteFile(disk, f, good); err != nil {
			t.Fatal(err)
		}
	}
	if err := download.Sweep(disk, ".", map[string]bool{"b": true}); err != nil {
		t.Fatal(err)
	}
	var left []string
	entries, _ := disk.ReadDir(".")
	for _, e := range entries {
		left = append(left, e.Name())
	}
	if got := strings.Join(left, " "); got != "b.incoming c.part d" {
		t.Errorf("left: %s", got)
	}
	if err := download.Sweep(disk, "none", nil); err != nil {
		t.Error(err)
	}
	if err := download.File(t.Context(), bucket.Memory(), key, wanted(), disk, name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an object that is not there: %v", err)
	}
}

func write(t *testing.T, disk durable.FS, left []byte) {
	t.Helper()
	if left == nil {
		return
	}
	if err := durable.WriteFile(disk, name+download.Ext, left); err != nil {
		t.Fatal(err)
	}
}

// counting counts the requested bytes.
type counting struct {
	bucket.Bucket
	asked int64
}

func (c *counting) Get(ctx context.Context, key string, ask bucket.Ask) (io.ReadCloser, bucket.Object, error) {
	body, o, err := c.Bucket.Get(ctx, key, ask)
	if err == nil {
		c.asked += o.Size - ask.Offset
	}
	return body, o, err
}

// cutting ends every answer early.
type cutting struct {
	bucket.Bucket
	each int
}

func (c *cutting) Get(ctx context.Context, key string, ask bucket.Ask) (io.ReadCloser, bucket.Object, error) {
	body, o, err := c.Bucket.Get(ctx, key, ask)
	if err != nil || c.each >= int(o.Size-ask.Offset) {
		return body, o, err
	}
	return io.NopCloser(io.MultiReader(io.LimitReader(body, int64(c.each)), broken{})), o, err
}

type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
