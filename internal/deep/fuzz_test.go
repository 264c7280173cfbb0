package deep

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"os"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// A directory that is accepted is one that we would write. The test corrects the checksum
// at its end, since otherwise no input would get far.
func FuzzDirectory(f *testing.F) {
	b, err := os.ReadFile(golden)
	must(f, err)
	_, size, err := parseDirectory(b)
	must(f, err)
	f.Add(b[:size])
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) >= minDirectory && len(b) <= maxDirectory {
			b = bytes.Clone(b)
			binary.LittleEndian.PutUint32(b[4:], uint32(len(b)-frameHead))
			sum := sha256.Sum256(b[:len(b)-sha256.Size])
			copy(b[len(b)-sha256.Size:], sum[:])
		}
		d, size, err := parseDirectory(b)
		if err != nil {
			return
		}
		if again := appendDirectory(nil, d); !bytes.Equal(again, b[:size]) {
			t.Fatalf("%x is written as %x", b[:size], again)
		}
		for n := range d.Versions {
			must(t, d.Versions[n].ID.Check())
			if cost := d.Cost(n); cost < 0 || cost > MaxGiant*2+MaxCrate+MaxTar*8 {
				t.Fatalf("version %d costs %d bytes", n, cost)
			}
		}
	})
}

// Whatever content and recipes are: no panic, and no more bytes than requested.
func FuzzRecipe(f *testing.F) {
	p := build(f, goldenCrates()[0])
	content, err := decodeFrame(nil, p.encoded[p.Size()-p.frame:], p.Content)
	must(f, err)
	f.Add(content, uint16(p.Versions[0].recipe), uint16(p.Versions[1].recipe), uint32(p.Versions[0].stream))
	f.Fuzz(func(t *testing.T, b []byte, first, second uint16, stream uint32) {
		id := crate.ID{Name: "tiny", Version: "0.1.0"}
		most := int64(stream % (4 << 20))
		d := &Directory{Versions: []Version{
			{Key: crate.Key{ID: id}, recipe: int64(first), stream: most}, {Key: crate.Key{ID: id}, recipe: int64(second), stream: most},
		}}
		c, err := parseContent(b, d.Versions)
		if err != nil {
			return
		}
		for n := range d.Versions {
			if got, err := c.stream(nil, d, n); err == nil && int64(len(got)) != most {
				t.Fatalf("recipe makes %d bytes, want %d", len(got), most)
			}
		}
	})
}

// Every tar can be restored.
func FuzzSplit(f *testing.F) {
	id := crate.ID{Name: "tiny", Version: "0.1.0"}
	f.Add(cargoTar(id, file{"Cargo.toml", "[package]"}, file{"src/lib.rs", ""}))
	f.Fuzz(func(t *testing.T, tar []byte) {
		if got := rejoin(t, id, tar, split(tar, prefixOf(id))); !bytes.Equal(got, tar) {
			t.Fatalf("%x comes back as %x", tar, got)
		}
	})
}

// A table that is accepted is one that we would write for these packs.
func FuzzSeekTable(f *testing.F) {
	b, err := os.ReadFile(golden)
	must(f, err)
	f.Add(b)
	f.Add(tableFrame(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		table, err := readTable(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		if again := tableFrame(table.entries); !bytes.Equal(again, b[table.start:]) {
			t.Fatalf("table %x is written as %x", b[table.start:], again)
		}
	})
}

// Whatever the bytes are: no panic, bounded work, and a rebuilt crate matches its
// directory.
func FuzzSegment(f *testing.F) {
	b, err := os.ReadFile(golden)
	must(f, err)
	f.Add(b)
	f.Add(b[:len(b)-30])
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &Reader{"x", bytes.NewReader(b), int64(len(b))}
		for d, err := range r.Directories() {
			if err != nil || d.Content > 1<<20 {
				continue
			}
			_ = r.RebuildAll(context.Background(), d, func(n int, data []byte, err error) error {
				if err == nil && sha256.Sum256(data) != d.Versions[n].Checksum {
					t.Fatalf("%s is not what its directory says", d.Versions[n].ID)
				}
				return nil
			})
		}
	})
}

// Every .crate can be restored, verbatim or not.
func FuzzMember(f *testing.F) {
	for _, all := range goldenCrates() {
		for _, g := range all {
			f.Add(g.data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		g := give(crate.ID{Name: "tiny", Version: "0.1.0"}, data)
		p, err := Build(context.Background(), []Source{g.source()}, Options{MaxTar: 1 << 20})
		must(t, err)
		got, errs := read(t, segment(t, p), [][]given{{g}})
		if len(got) != 1 || len(errs) > 0 {
			t.Fatalf("%q, %v", got, errs)
		}
	})
}
