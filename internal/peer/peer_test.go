package peer

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket/web"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/replica/replicatest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

func shown(t *testing.T) (*replicatest.Publisher, *web.Bucket, string) {
	t.Helper()
	p := replicatest.New(t, bucket.Memory(), "foo 1.0.0\nbar 1.0.0")
	server := httptest.NewServer(Handler(Bucket{p.Bucket, func() *root.Root { return p.Root }}))
	t.Cleanup(server.Close)
	b, err := web.Open(server.URL + "/replicate")
	if err != nil {
		t.Fatal(err)
	}
	return p, b, server.URL
}

// What is in the bucket is what a peer gets, whole and in ranges, by the contract of
// bucket.Reader; and nothing that the root does not name.
func TestShown(t *testing.T) {
	p, b, _ := shown(t)
	r, tag, err := root.Read(t.Context(), b, "")
	if err != nil || r.Generation != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	if _, _, err := root.Read(t.Context(), b, tag); !errors.Is(err, bucket.ErrNotModified) {
		t.Errorf("the same again: %v", err)
	}
	for key := range r.Objects() {
		want := p.Get(key)
		got, o, err := bucket.ReadAll(t.Context(), b, key, bucket.Ask{}, 1<<30)
		if err != nil || !bytes.Equal(got, want) || o.Size != int64(len(want)) {
			t.Errorf("%s: %d bytes, %v; want %d", key, len(got), err, len(want))
		}
		for _, ask := range []bucket.Ask{{Offset: 1}, {Offset: 3, Length: 7}, {Length: 5}, {Offset: 2, Length: 1 << 40, Same: o.Tag}} {
			got, o, err := bucket.ReadAll(t.Context(), b, key, ask, 1<<30)
			part := want[ask.Offset:]
			if ask.Length > 0 {
				part = part[:min(ask.Length, int64(len(part)))]
			}
			if err != nil || !bytes.Equal(got, part) || o.Size != int64(len(want)) {
				t.Errorf("%s, %+v: %d bytes of %d, %v; want %d", key, ask, len(got), o.Size, err, len(part))
			}
		}
		for ask, want := range map[bucket.Ask]error{
			{Unless: o.Tag}: bucket.ErrNotModified, {Same: `"other"`, Offset: 1}: bucket.ErrChanged, {Offset: o.Size}: bucket.ErrRange,
		} {
			if _, _, err := b.Get(t.Context(), key, ask); !errors.Is(err, want) {
				t.Errorf("%s, %+v: %v, want %v", key, ask, err, want)
			}
		}
		if head, err := b.Head(t.Context(), key); err != nil || head.Size != o.Size || head.Tag != o.Tag {
			t.Errorf("%s: %+v, %v", key, head, err)
		}
	}
	p.Put("bundles", "leftover", []byte("x"))
	for _, key := range []string{"bundles/leftover", "lease.json", "bundles", "bundles/bundle-0009.tar.zst", "etc/passwd"} {
		if _, _, err := b.Get(t.Context(), key, bucket.Ask{}); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// Who writes the bucket, and in which folder, is not for everybody who may read crates.
func TestOwnersAreNotShown(t *testing.T) {
	p, b, _ := shown(t)
	p.Root.Writers[""] = root.Writer{Epoch: 1, ID: "writer", Owner: "build7.internal, /home/jane/crates", Versions: 2}
	r, _, err := root.Read(t.Context(), b, "")
	if err != nil || r.Writers[""] != (root.Writer{Epoch: 1, ID: "writer", Versions: 2}) || p.Root.Writers[""].Owner == "" {
		t.Errorf("%+v, %v", r, err)
	}
}

// If-Range of another object is answered with all of this one, and many ranges, too.
func TestRanges(t *testing.T) {
	p, _, url := shown(t)
	name := root.Key(root.BundlesDir, p.Root.Bundles[0].Name)
	for _, tt := range []struct {
		header [2]string
		ranges string
		code   int
	}{
		{[2]string{"If-Range", `"` + p.Root.Bundles[0].SHA256.String() + `"`}, "bytes=5-9", 206},
		{[2]string{"If-Range", `"other"`}, "bytes=5-9", 200},
		{[2]string{"X", ""}, "bytes=0-1,5-9", 200},
		{[2]string{"X", ""}, "bytes=99999999-", 416},
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url+Prefix+name, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Range", tt.ranges)
		req.Header.Set(tt.header[0], tt.header[1])
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_, err = io.Copy(io.Discard, resp.Body)
		if err = errors.Join(err, resp.Body.Close()); err != nil || resp.StatusCode != tt.code {
			t.Errorf("%v, %s: %s, %v", tt.header, tt.ranges, resp.Status, err)
		}
	}
}
