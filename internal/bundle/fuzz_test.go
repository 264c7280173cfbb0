package bundle

import (
	"bytes"
	"crypto/sha256"
	"io"
	"os"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/bundletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/legacy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/member"
)

// Whatever the bytes are: no panic, bounded work, and every yielded member can be opened
// and is as described.
func FuzzBundle(f *testing.F) {
	golden, err := os.ReadFile("testdata/bundle-v1.tar.zst")
	must(f, err)
	f.Add(golden)
	f.Add(golden[:len(golden)-30])
	f.Add(bundletest.Legacy(f, items()))
	f.Fuzz(func(t *testing.T, b []byte) {
		for e, err := range legacy.Open(bytes.NewReader(b), int64(len(b))).Members() {
			if err == nil {
				must(t, e.ID.Check())
			}
		}
		r := &Reader{bytes.NewReader(b), int64(len(b))}
		for m, err := range r.Members() {
			if err != nil {
				continue
			}
			must(t, m.ID.Check())
			c, err := r.OpenMember(m.Placement)
			must(t, err)
			h := sha256.New()
			n, err := io.Copy(h, c)
			must(t, err)
			if n != m.Size || !bytes.Equal(h.Sum(nil), m.Checksum[:]) || c.ID() != m.ID {
				t.Fatalf("%s at %d is %s when it is opened", m.ID, m.Offset, c.ID())
			}
			must(t, c.Close())
		}
	})
}

// A table that is accepted is one that we would write for these frames.
func FuzzSeekTable(f *testing.F) {
	golden, err := os.ReadFile("testdata/bundle-v1.tar.zst")
	must(f, err)
	f.Add(golden)
	f.Add(golden[len(golden)-65:])
	f.Add(tableFrame(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		table, err := readTable(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if !bytes.Equal(b[table.start:], tableFrame(table.entries)) {
			t.Fatal("the table is not one that we write")
		}
		for len(table.entries) > 0 {
			table.next()
		}
		if table.offset != table.start {
			t.Fatalf("frames end at %d, the table starts at %d", table.offset, table.start)
		}
	})
}

// A header that is accepted is the one that we write for its name and size.
func FuzzTarHeader(f *testing.F) {
	for _, it := range items() {
		f.Add(appendHeader(nil, it.ID, int64(len(it.Data))))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		name, size, err := legacy.ReadHeader(bytes.NewReader(b))
		if err == nil && (size < 0 || size > MaxSize) {
			t.Fatalf("%q has size %d", name, size)
		}
		if len(b) < member.BlockSize || len(b) < headerSize(b) {
			return
		}
		id, size, err := parseHeader(b)
		if err != nil {
			return
		}
		if !bytes.HasPrefix(b, appendHeader(nil, id, size)) {
			t.Fatalf("%s is accepted from another header", id)
		}
		if name != id.LoosePath() {
			t.Fatalf("%s is read as %q by Scan", id, name)
		}
	})
}
