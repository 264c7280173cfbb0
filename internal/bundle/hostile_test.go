package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/member"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// hostile returns a bundle with a member that we would not write, between two that we
// would.
func hostile(t *testing.T, middle ...[]byte) []byte {
	t.Helper()
	b := frames(tarContent(crate.ID{Name: "good", Version: "1.0.0"}, []byte("1"), nil))
	for _, m := range middle {
		b = append(b, m...)
	}
	return append(b, frames(tarContent(crate.ID{Name: "good", Version: "2.0.0"}, []byte("2"), nil), endContent[:])...)
}

var goodItems = []item{
	{ID: crate.ID{Name: "good", Version: "1.0.0"}, Data: []byte("1")},
	{ID: crate.ID{Name: "good", Version: "2.0.0"}, Data: []byte("2")},
}

// A member that we would not have written costs only itself; the error quotes its name.
func TestF1F2F6F7F15HostileHeaders(t *testing.T) {
	id := crate.ID{Name: "serde", Version: "1.0.0"}
	name := func(n string) func([]byte) { return func(h []byte) { clear(h[:100]); copy(h, n) } }
	field := func(at int, s string) func([]byte) { return func(h []byte) { copy(h[at:], s) } }
	for what, change := range map[string]func(h []byte){
		"F1 up":                  name("../serde-1.0.0.crate"),
		"F1 absolute":            name("/s/er/serde-1.0.0.crate"),
		"F1 up in the middle":    name("s/../../er/serde-1.0.0.crate"),
		"F1 drive":               name(`C:\serde-1.0.0.crate`),
		"F1 backslashes":         name(`s\er\serde-1.0.0.crate`),
		"F1 other folder":        name("s/xx/serde-1.0.0.crate"),
		"F1 double slash":        name("s//er/serde-1.0.0.crate"),
		"F1 no crate":            name("s/er/README"),
		"F1 hidden behind a NUL": name("s/er/serde-1.0.0.crate\x00x"),
		"F2 hard link":           field(156, "1"),
		"F2 symbolic link":       field(156, "2"),
		"F2 device":              field(156, "3"),
		"F2 directory":           field(156, "5"),
		"F2 FIFO":                field(156, "6"),
		"F2 link name":           field(157, "/etc/passwd"),
		"F6 GNU sparse":          field(156, "S"),
		"F6 GNU long name":       field(156, "L"),
		"F6 global header":       field(156, "g"),
		"F6 GNU format":          field(257, "ustar  \x00"),
		"F6 prefix":              field(345, "s"),
		"F6 old type":            field(156, "\x00"),
		"F7 mode":                field(100, "0004777"),
		"F7 owner":               field(108, "0001750"),
		"F7 mtime":               field(136, "77777777777"),
		"F7 owner's name":        field(265, "root"),
		"F15 control characters": name("s/er/\x1b[2Jserde-1.0.0.crate"),
		"size less":              field(124, "00000000001"),
		"size more":              field(124, "00000001001"),
		"size huge":              field(124, "77777777777"),
		"size in base 256":       field(124, "\x80\x00\x00\x00"),
		"size signed":            field(124, "-0000000005"),
	} {
		got, errs := read(t, hostile(t, frames(tarContent(id, []byte("12345"), change))), goodItems)
		text := errorTexts(errs)
		if !slices.Equal(got, names(goodItems)) || len(errs) != 2 || strings.ContainsAny(text, "\x1b\x00") {
			t.Errorf("%s: members %q, errors %s", what, got, text)
		}
	}
}

func TestF6DesyncedPAX(t *testing.T) {
	id := crate.ID{Name: "serde", Version: "1.0.0"}
	head := appendHeader(nil, id, 5)
	body := append([]byte("12345"), make([]byte, 507)...)
	record := func(r string) []byte {
		b := appendBlock(nil, paxName, int64(len(r)), member.TypePAX)
		b = append(b, r...)
		return append(b, make([]byte, member.Padding(int64(len(r))))...)
	}
	long := appendHeader(nil, longID, 5)
	for what, content := range map[string][]byte{
		"path of a short name":    slices.Concat(record(member.PAXRecord(id.LoosePath())), head, body),
		"other path":              slices.Concat(record(member.PAXRecord(longID.LoosePath())), head, body),
		"size":                    slices.Concat(record("12 size=100\n"), head, body),
		"path and size":           slices.Concat(record(member.PAXRecord(longID.LoosePath())+"12 size=100\n"), long[1024:], body),
		"two records":             slices.Concat(long[:1024], long, body),
		"wrong length":            slices.Concat(record("999 path="+longID.LoosePath()+"\n"), long[1024:], body),
		"member.Padding not zero": append(slices.Concat(head, body[:511]), 1),
		"no member.Padding":       slices.Concat(head, body, make([]byte, 512)),
		"header alone":            head,
		"nothing":                 make([]byte, 512),
		"too long an end":         make([]byte, 1536),
	} {
		got, errs := read(t, hostile(t, frames(content)), goodItems)
		if !slices.Equal(got, names(goodItems)) || len(errs) != 2 {
			t.Errorf("%s: members %q, errors %v", what, got, errs)
		}
	}
}

func TestF4FrameLargerThanItsContent(t *testing.T) {
	const block = 1 << 14 // stored, the last one
	frame := slices.Concat(appendFrameHeader(nil, 512), []byte{1, 0, 2}, make([]byte, block+4))
	_, err := newWalker(bytes.NewReader(frame), int64(len(frame))).shape(0)
	if !errors.Is(err, errFrame) || !strings.Contains(err.Error(), "for 512 bytes of content") {
		t.Errorf("%v", err)
	}
}

// Frames that request too much are rejected before anything is allocated for them.
func TestF4F5Bombs(t *testing.T) {
	raw := func(head ...byte) []byte {
		return append(binary.LittleEndian.AppendUint32(nil, frameMagic), head...)
	}
	rle := func(n int64) []byte { // blocks of 128 KiB of zeros, 4 bytes each
		b := appendFrameHeader(nil, n)
		for ; n > maxBlock; n -= maxBlock {
			b = append(b, 2, 0, 16, 0)
		}
		return append(b, 3, 0, 16, 0, 0, 0, 0, 0)
	}
	for what, frame := range map[string][]byte{
		"window of 512 MiB":     append(raw(0x84, 19<<3, 0, 0, 32, 0), make([]byte, 20)...),
		"segment of 1 GiB":      append(raw(0xA4, 0, 0, 0, 64), make([]byte, 20)...),
		"content of 2^63":       append(raw(0xE4, 0, 0, 0, 0, 0, 0, 0, 128), make([]byte, 20)...),
		"content unknown":       append(raw(0x04, 0x50), make([]byte, 20)...),
		"dictionary":            append(raw(0x67, 1, 0, 0, 0, 0, 2), make([]byte, 20)...),
		"no checksum":           append(raw(0x60, 0, 2), make([]byte, 20)...),
		"1 GiB of zeros":        rle(1 << 30),
		"more than 1 GiB":       rle(1<<30 + member.BlockSize),
		"more than it may have": slices.Concat(appendFrameHeader(nil, 512), []byte{1, 0, 2}, make([]byte, 1<<14+4)),
		"endless empty blocks":  append(appendFrameHeader(nil, 1<<30), make([]byte, 100_000)...),
	} {
		var got []string
		var errs []error
		used := testing.AllocsPerRun(1, func() {
			got, errs = read(t, hostile(t, frame), goodItems)
		})
		if !slices.Equal(got, names(goodItems)) || len(errs) != 2 || used > 10_000 {
			t.Errorf("%s: members %q, errors %v, %v allocations", what, got, errs, used)
		}
	}
}

func TestF8Duplicates(t *testing.T) {
	id := crate.ID{Name: "twice", Version: "1.0.0"}
	first, other := tarContent(id, []byte("first"), nil), tarContent(id, []byte("other"), nil)
	known := []item{{ID: id, Data: []byte("first")}}

	got, errs := read(t, finish(t, frames(first, first)), known)
	if len(got) != 2 || errs != nil {
		t.Errorf("the same bytes twice: members %q, errors %v", got, errs)
	}
	var sums []crate.Checksum // a version that was published again is in the bundle with both contents (A8)
	b := finish(t, frames(first, other))
	for m, err := range (&Reader{bytes.NewReader(b), int64(len(b))}).Members() {
		if err != nil || m.ID != id {
			t.Errorf("%v, %v", m.ID, err)
		}
		sums = append(sums, m.Checksum)
	}
	if !slices.Equal(sums, []crate.Checksum{sha256.Sum256([]byte("first")), sha256.Sum256([]byte("other"))}) {
		t.Errorf("other bytes: members with the checksums %v", sums)
	}
	upper := crate.ID{Name: "Twice", Version: "1.0.0"} // to a bundle, another crate
	got, errs = read(t, finish(t, frames(first, tarContent(upper, nil, nil))), append(known, item{ID: upper}))
	if len(got) != 2 || errs != nil {
		t.Errorf("other case: members %q, errors %v", got, errs)
	}
}

// repeated is a file that repeats the same bytes.
type repeated struct {
	unit []byte
	size int64
}

func (r repeated) ReadAt(p []byte, off int64) (int, error) {
	n := 0
	for n < len(p) && off < r.size {
		at := off % int64(len(r.unit))
		c := copy(p[n:], r.unit[at:min(int64(len(r.unit)), at+r.size-off)])
		n, off = n+c, off+int64(c)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func TestF14TooManyMembers(t *testing.T) {
	if !*durabletest.Thorough {
		t.Skip("reads a million members")
	}
	unit := frames(tarContent(crate.ID{Name: "tiny", Version: "1.0.0"}, nil, nil))
	size := int64(len(unit)) * (MaxMembers + 1000)
	r, err := Open(repeated{unit, size}, size)
	must(t, err)
	n := 0
	var last error
	for _, last = range r.Members() {
		n++
	}
	if n > MaxMembers+2 || !strings.Contains(fmt.Sprint(last), "seek table") {
		t.Errorf("%d members and errors, the last one %v", n, last)
	}
}

// The search in a file that imitates damage everywhere ends, after a time proportional to
// the size of the file.
func TestF14SearchIsBounded(t *testing.T) {
	unit := appendFrameHeader(nil, 1<<30)
	unit = append(unit, bytes.Repeat([]byte{2, 0, 16, 0}, 4)...)
	size := int64(8 << 20)
	r := &Reader{repeated{unit, size}, size}
	for _, err := range r.Members() {
		if err == nil {
			t.Fatal("there is a member")
		}
	}
	w := newWalker(r.r, size)
	if s := w.search(1); s.err == nil || w.cost > 8*size+128<<20 {
		t.Errorf("search ends with %v after %d bytes of work", s.err, w.cost)
	}
}
