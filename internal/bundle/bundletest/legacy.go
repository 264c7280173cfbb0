// Package bundletest makes bundles like those of CloneCratesio v1.1.0, with the same calls
// of the same libraries, to test their readers.
package bundletest

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// T is a *testing.T or a *testscript.TestScript.
type T interface {
	Fatalf(format string, args ...any)
}

// Item is a crate to bundle.
type Item struct {
	ID   crate.ID
	Data []byte
}

// Noise returns n incompressible bytes, which depend on the seed alone.
func Noise(n int, seed uint64) []byte {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)}).Read(b)
	return b
}

// Names returns "name version" of each item, in their order.
func Names(items []Item) (names []string) {
	for _, it := range items {
		names = append(names, it.ID.String())
	}
	return names
}

// Legacy returns a bundle of v1.1.0.
func Legacy(t T, items []Item) []byte { return Compress(t, Tarball(t, items, nil)) }

// Tarball returns a tar archive of items. If change is not nil, it may modify each header.
// No bytes are written for an item whose header has size 0 or is not of a regular file.
func Tarball(t T, items []Item, change func(*tar.Header)) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, it := range items {
		h := &tar.Header{Name: it.ID.LoosePath(), Mode: 0o644, Size: int64(len(it.Data)), ModTime: time.Unix(0, 0)}
		if change != nil {
			change(h)
		}
		err := w.WriteHeader(h)
		if err == nil && h.Size > 0 {
			_, err = w.Write(it.Data)
		}
		if err != nil {
			t.Fatalf("making a bundle of v1.1.0: %v", err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatalf("making a bundle of v1.1.0: %v", err)
	}
	return b.Bytes()
}

// Compress returns one frame of b.
func Compress(t T, b []byte) []byte {
	var out bytes.Buffer
	z, err := zstd.NewWriter(&out, zstd.WithEncoderLevel(zstd.SpeedBetterCompression))
	if err == nil {
		_, err = z.Write(b)
	}
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatalf("making a bundle of v1.1.0: %v", err)
	}
	return out.Bytes()
}

// Manifest returns the manifest of a bundle of v1.1.0, with a path relative to where that
// run was started, on Windows.
func Manifest(bundle string, items []Item) (lines []byte) {
	for _, it := range items {
		lines = fmt.Appendf(lines, `{"url":"https://static.crates.io/crates/%s","crate":%q,"bundle_path":"out\\bundles\\%s","bundle_member":%q,"size":%d,"sha256":"%x"}`+"\n",
			it.ID.URLPath(), it.ID.Name, bundle, it.ID.LoosePath(), len(it.Data), sha256.Sum256(it.Data))
	}
	return lines
}

// Catalog returns the line of a bundle of v1.1.0 in bundles.index.jsonl, twice: a second
// run wrote every line again.
func Catalog(bundle, manifest string, items []Item) []byte {
	var size int
	first, last := items[0].ID.Name, items[0].ID.Name
	for _, it := range items {
		size += len(it.Data)
		first, last = min(first, it.ID.Name), max(last, it.ID.Name)
	}
	line := fmt.Appendf(nil, `{"bundle_path":"../out/bundles/%s","manifest_path":"../out/bundles/%s","crate_min":%q,"crate_max":%q,"crate_min_label":%[3]q,"crate_max_label":%[4]q,"entries":%d,"size_bytes":%d}`+"\n",
		bundle, manifest, first, last, len(items), size)
	return bytes.Repeat(line, 2)
}
