package reader

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io/fs"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/klauspost/compress/gzip"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/cargotoml"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

func TestAbout(t *testing.T) {
	w := newWorld(t, "serde 1.0.0")
	w.run(how{})
	v := w.view(nil)
	for range 2 { // read, then remembered
		p, err := v.About(t.Context(), w.key(serde100))
		if err != nil || p.Description != "A simulated crate" || p.License != "MIT" {
			t.Errorf("%+v, %v", p, err)
		}
	}
	if _, err := v.About(t.Context(), crate.Key{ID: crate.ID{Name: "serde", Version: "9.0.0"}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a version that is not held: %v", err)
	}
}

// Authors may write what they like; what is kept of it is little.
func TestAboutIsBounded(t *testing.T) {
	long := strings.Repeat("é", 5000)
	p := shortened(cargotoml.Package{Description: long, Homepage: long, Keywords: make([]string, 99)})
	if utf8.RuneCountInString(p.Description) != maxDescription || utf8.RuneCountInString(p.Homepage) != maxField || len(p.Keywords) != maxList {
		t.Errorf("%d and %d characters, %d keywords", utf8.RuneCountInString(p.Description), utf8.RuneCountInString(p.Homepage), len(p.Keywords))
	}
	a := NewAbouts(nil, nil)
	for i := range 2 * maxAbout {
		a.put(crate.Key{ID: crate.ID{Name: "x", Version: string(rune('a' + i))}}, p)
	}
	if len(a.read) > maxAbout {
		t.Errorf("%d versions are remembered", len(a.read))
	}
}

// TestAboutABomb: a crate file that takes long to unpack, and has no Cargo.toml,
// is unpacked once, though all who ask go away before that is done.
func TestAboutABomb(t *testing.T) {
	w := newWorld(t, "serde 1.0.0")
	w.run(how{})
	id := crate.ID{Name: "bomb", Version: "1.0.0"}
	data := bomb(t)
	w.hold(id, data)
	key := crate.Key{ID: id, Checksum: sha256.Sum256(data)}
	v := w.view(nil)
	eventually(t, "it is known that nothing is known", func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Millisecond)
		defer cancel()
		p, err := v.About(ctx, key)
		return err == nil && p.Description == ""
	})
}

// bomb is a gzipped tar of zeros.
func bomb(t *testing.T) []byte {
	var buf bytes.Buffer
	zw, err := gzip.NewWriterLevel(&buf, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	tw := tar.NewWriter(zw)
	const size = 32 << 20
	err = tw.WriteHeader(&tar.Header{Name: "bomb-1.0.0/zeros", Size: size, Mode: 0o644})
	for range size / len(zeros) {
		if err == nil {
			_, err = tw.Write(zeros[:])
		}
	}
	if err := errors.Join(err, tw.Close(), zw.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

var zeros [1 << 20]byte
