package peer

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extent"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// one is a source of one object, in a file of the system.
type one struct {
	folder durable.FS
	size   int64
	gets   int
}

func (o *one) Root(context.Context) (*root.Root, error) { return nil, nil }

func (o *one) Get(_ context.Context, key string, ask bucket.Ask) (io.ReadCloser, bucket.Object, error) {
	o.gets++
	f, err := o.folder.Open(key)
	length := min(ask.Length, o.size-ask.Offset)
	return section{io.NewSectionReader(f, ask.Offset, length), f}, bucket.Object{Size: o.size}, err
}

// The kernel sends an object from its file, from any byte on, in as many pieces as it is
// asked for in; what is sent is not read again.
func TestObjectIsSent(t *testing.T) {
	folder, err := durable.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer folder.Close()
	data := bytes.Repeat([]byte("0123456789abcdef!"), piece/17+100)
	if err := durable.WriteFile(folder, "x", data); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	const from, left = 7, 5
	go func() {
		c, err := l.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		kernel, ok := extent.NewConn(c.(*net.TCPConn))
		o := &object{ctx: t.Context(), source: &one{folder: folder, size: int64(len(data))}, key: "x", size: int64(len(data)), at: from}
		defer o.close()
		n := o.size - from - left
		if !ok || !o.CanSend(n) {
			if runtime.GOOS == "linux" {
				t.Error("it cannot be sent")
			}
			_, _ = io.Copy(c, o)
			return
		}
		sent, err := o.Send(kernel, n, func() {})
		if err != nil || sent != n {
			t.Errorf("%d of %d bytes, %v", sent, n, err)
		}
		_, _ = io.Copy(c, o)
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, data[from:]) {
		t.Errorf("%d bytes, %v; want %d", len(got), err, len(data)-from)
	}
}

// An object of a bucket is in no file.
func TestObjectOfABucketIsCopied(t *testing.T) {
	p, _, _ := shown(t)
	f := p.Root.Bundles[0]
	o := &object{ctx: t.Context(), source: Bucket{p.Bucket, func() *root.Root { return p.Root }}, key: root.Key(root.BundlesDir, f.Name), size: f.Size}
	defer o.close()
	if o.CanSend(f.Size) {
		t.Error("a bucket in memory can be sent")
	}
	if _, err := o.Send(nil, f.Size, nil); !errors.Is(err, errors.ErrUnsupported) {
		t.Error(err)
	}
	if got, err := io.ReadAll(o); err != nil || int64(len(got)) != f.Size {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}
