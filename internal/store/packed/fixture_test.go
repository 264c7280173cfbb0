package packed

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deflate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/cache"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// item is a crate that is in the deep archive.
type item struct {
	crate.Key
	data []byte
	at   store.Placement
}

// crateOf makes a .crate as cargo of 2023 made it, with size bytes of text.
func crateOf(t testing.TB, id crate.ID, size int) []byte {
	t.Helper()
	var inner bytes.Buffer
	w := tar.NewWriter(&inner)
	text := make([]byte, 0, size+64)
	for n := 0; len(text) < size; n++ {
		text = fmt.Appendf(text, "pub fn f%d() -> u32 { %x }\n", n, sha256.Sum256(fmt.Append(nil, id.Name, n)))
	}
	for name, b := range map[string][]byte{"src/lib.rs": text, "Cargo.toml": fmt.Appendf(nil, "[package]\nname = %q\nversion = %q\n", id.Name, id.Version)} {
		must(t, w.WriteHeader(&tar.Header{Name: id.Name + "-" + id.Version + "/" + name, Mode: 0o644, Size: int64(len(b)), Typeflag: tar.TypeReg}))
		_, err := w.Write(b)
		must(t, err)
	}
	must(t, w.Close())
	var out bytes.Buffer
	out.Write([]byte{0x1f, 0x8b, 8, 8, 0, 0, 0, 0, 2, 255})
	out.WriteString(id.FileName() + "\x00")
	must(t, deflate.Encode(&out, deflate.Zlib9Mem8, inner.Bytes()))
	out.Write(binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(inner.Bytes())))
	out.Write(binary.LittleEndian.AppendUint32(nil, uint32(inner.Len())))
	return out.Bytes()
}

// versions makes some versions of a crate.
func versions(t testing.TB, name string, n, size int) (items []*item) {
	t.Helper()
	for i := range n {
		id := crate.ID{Name: name, Version: fmt.Sprintf("1.%d.0", i)}
		data := crateOf(t, id, size)
		items = append(items, &item{Key: crate.Key{ID: id, Checksum: sha256.Sum256(data)}, data: data})
	}
	return items
}

// pack writes a finished segment with a pack for each list, and says where all are.
func pack(t testing.TB, folder durable.FS, number int, lists ...[]*item) {
	t.Helper()
	name := deep.FileName(number)
	w, err := deep.Create(folder, name)
	must(t, err)
	for _, list := range lists {
		var sources []deep.Source
		for _, it := range list {
			sources = append(sources, deep.Source{Key: it.Key, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(it.data)), nil }})
		}
		p, err := deep.Build(t.Context(), sources, deep.Options{Level: 1})
		must(t, err)
		at, err := w.Append(p)
		must(t, err)
		for n, it := range list {
			if e := p.Versions[n].Encoder; e == deep.Verbatim {
				t.Fatalf("%s is kept verbatim: %s", it.ID, p.Versions[n].Reason)
			}
			it.at = store.Placement{Deep: store.DeepPlace{Segment: name, Pack: at.Offset, PackSize: at.Size, Number: n}}
		}
	}
	_, err = w.Finish()
	must(t, err)
	must(t, w.Publish())
}

// open opens a store with loose files behind.
func open(t testing.TB, folder durable.FS, change func(*Config)) *Store {
	t.Helper()
	files, err := loose.Open(folder, loose.Batch)
	must(t, err)
	cfg := Config{Folder: folder, Behind: files}
	if change != nil {
		change(&cfg)
	}
	s := New(cfg)
	t.Cleanup(func() { must(t, s.Close()) })
	return s
}

// read reads a crate to its end.
func read(ctx context.Context, s store.Reader, it *item) ([]byte, error) {
	c, err := s.Open(ctx, it.Key, it.at)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	return io.ReadAll(c)
}

func wantRead(t testing.TB, s store.Reader, it *item) {
	t.Helper()
	if got, err := read(t.Context(), s, it); err != nil || !bytes.Equal(got, it.data) {
		t.Errorf("%s: %d bytes, %v; want the %d that were packed", it.ID, len(got), err, len(it.data))
	}
}

func cacheIn(t testing.TB, max int64) (*cache.Cache, durable.FS) {
	t.Helper()
	dir, err := durable.Create(t.TempDir())
	must(t, err)
	t.Cleanup(func() { must(t, dir.Close()) })
	c, err := cache.Open(dir, max)
	must(t, err)
	return c, dir
}
