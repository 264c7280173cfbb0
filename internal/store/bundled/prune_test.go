package bundled

import (
	"crypto/sha256"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

func TestCopy(t *testing.T) {
	mem := durabletest.NewMem()
	s := openIn(t, mem, newTold(), 1)
	from := put(t, s, 1)
	checkpoint(t, s)
	key := crate.Key{ID: id(1), Checksum: sha256.Sum256([]byte(text(1)))}
	to, err := s.Copy(t.Context(), key, from)
	if err != nil || to.Bundle == from.Bundle {
		t.Fatalf("copied to %+v: %v", to, err)
	}
	checkpoint(t, s)
	c, err := s.Open(t.Context(), key, to)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if data, err := io.ReadAll(c); err != nil || string(data) != text(1) {
		t.Errorf("the copy is %q: %v", data, err)
	}
	key.Checksum[0]++
	if _, err := s.Copy(t.Context(), key, from); !errors.As(err, new(*crate.ChecksumError)) {
		t.Errorf("copying what is something else: %v", err)
	}
	if _, err := s.Copy(t.Context(), key, store.Placement{Bundle: bundle.FileName(77)}); err == nil {
		t.Error("copied from a bundle that is not there")
	}
}

func TestTrash(t *testing.T) {
	mem := durabletest.NewMem()
	s := openIn(t, mem, newTold(), 1)
	put(t, s, 1)
	put(t, s, 2)
	checkpoint(t, s)
	day := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for range 2 { // what is done is done
		if err := s.Trash(bundle.FileName(0), day); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{
		"trash/2026-01-02/bundle-0000.tar.zst", "trash/2026-01-02/bundle-0000-crate-1-to-crate-1.manifest.jsonl",
		"bundle-0001.tar.zst", "bundle-0001-crate-2-to-crate-2.manifest.jsonl",
	} {
		if _, err := mem.Stat(name); err != nil {
			t.Error(err)
		}
	}
	f, err := mem.Open(lists.CatalogName)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for e, err := range lists.ReadCatalog(f) {
		if err != nil || e.Bundle.Number != 1 {
			t.Errorf("line of bundle %d: %v", e.Bundle.Number, err)
		}
	}
	if err := s.Trash("../other", day); err == nil {
		t.Error("a file that is no bundle was thrown away")
	}
}
