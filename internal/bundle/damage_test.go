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

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/bundletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/member"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// Cut at any byte, a bundle gives the members before the cut, and says where
// it ends.
func TestE3TruncatedAtEveryByte(t *testing.T) {
	want := items()
	b, _ := build(t, want)
	at := placements(t, b)
	end := at[len(at)-1].Offset + at[len(at)-1].FrameSize
	for cut := range len(b) {
		got, errs := read(t, b[:cut], want)
		whole := 0
		for _, p := range at {
			if p.Offset+p.FrameSize <= int64(cut) {
				whole++
			}
		}
		if !slices.Equal(got, names(want[:whole])) || len(errs) == 0 {
			t.Fatalf("cut at %d: members %q, want %d; errors %v", cut, got, whole, errs)
		}
		var damage *DamageError
		switch err := errs[0]; {
		case int64(cut) >= end+int64(len(endFrame())):
			if !errors.Is(err, ErrTable) {
				t.Errorf("cut at %d, behind the archive: %v", cut, err)
			}
		case !errors.As(err, &damage) || !errors.Is(err, ErrUnfinished) || damage.End != int64(cut):
			t.Errorf("cut at %d: %v, want an unfinished bundle that ends there", cut, err)
		}
	}
}

// A flipped bit costs one crate at most, and is never silent unless it changes
// no crate: a few bits only choose between two ways to write the same zeros.
func TestE4FlipOfEveryBit(t *testing.T) {
	want := items()
	b, _ := build(t, want)
	at := placements(t, b)
	silent, tried := 0, 0
	first, step := durabletest.Every(3, nil)
	for bit := first; bit < 8*len(b); bit += step {
		tried++
		bad := bytes.Clone(b)
		bad[bit/8] ^= 1 << (bit % 8)
		offset := int64(bit / 8)
		hit := slices.IndexFunc(at, func(p Placement) bool { return p.Offset <= offset && offset < p.Offset+p.FrameSize })
		left := names(want)
		if hit >= 0 {
			left = slices.Delete(left, hit, hit+1)
		}
		got, errs := read(t, bad, want)
		if hit >= 0 && len(errs) == 0 && slices.Equal(got, names(want)) {
			silent++
			continue
		}
		if !slices.Equal(got, left) || len(errs) == 0 || hit >= 0 && len(errs) > 1 {
			t.Fatalf("bit %d of byte %d (in member %d): members %q, errors %v", bit%8, bit/8, hit, got, errs)
		}
		var damage *DamageError
		if hit >= 0 && (!errors.As(errs[0], &damage) || damage.Offset != at[hit].Offset || damage.End != at[hit].Offset+at[hit].FrameSize) {
			t.Errorf("bit %d of byte %d: %v, want damage of %+v", bit%8, bit/8, errs[0], at[hit])
		}
	}
	if silent > tried/100+10 { // in a part of them there may be more
		t.Errorf("%d of %d flips are silent", silent, tried)
	}
}

// Two faults at once: without the table, the next frame is searched for.
func TestE4FlipWithoutSeekTable(t *testing.T) {
	want := items()
	b, _ := build(t, want)
	at := placements(t, b)
	b = b[:len(b)-5]
	for i, p := range at {
		for offset := p.Offset; offset < p.Offset+p.FrameSize; offset++ {
			bad := bytes.Clone(b)
			bad[offset] ^= 0xFF
			got, errs := read(t, bad, want)
			if left := slices.Delete(names(want), i, i+1); !slices.Equal(got, left) || len(errs) != 2 {
				t.Fatalf("byte %d (in member %d): members %q, errors %v", offset, i, got, errs)
			}
		}
	}
}

func TestE5MissingOrGarbledSeekTable(t *testing.T) {
	want := items()
	whole, _ := build(t, want)
	start := len(whole) - tableHeader - (len(want)+1)*tableEntry - tableFooter
	for name, b := range map[string][]byte{
		"missing":     whole[:start],
		"short":       whole[:start+20],
		"magic alone": whole[:start+4],
		"garbled":     append(bytes.Clone(whole[:start+tableHeader]), noise(len(whole)-start-tableHeader, 1)...),
		"no footer":   append(bytes.Clone(whole[:len(whole)-4]), 0, 0, 0, 0),
	} {
		got, errs := read(t, b, want)
		if diff := cmp.Diff(names(want), got); diff != "" || len(errs) != 1 || !errors.Is(errs[0], ErrTable) {
			t.Errorf("%s: errors %v, members (-want +got):\n%s", name, errs, diff)
		}
	}
}

func TestE6LyingSeekTable(t *testing.T) {
	want := items()
	whole, _ := build(t, want)
	start := len(whole) - tableHeader - (len(want)+1)*tableEntry - tableFooter
	entries := whole[start+tableHeader : len(whole)-tableFooter]
	lie := func(change func(e []byte) []byte) []byte {
		return append(bytes.Clone(whole[:start]), tableFrame(change(bytes.Clone(entries)))...)
	}
	add := func(e []byte, at int, n int32) {
		binary.LittleEndian.PutUint32(e[at:], uint32(int32(binary.LittleEndian.Uint32(e[at:]))+n))
	}
	hugeCount := bytes.Clone(whole)
	binary.LittleEndian.PutUint32(hugeCount[len(whole)-tableFooter:], 1<<32-1)
	for name, b := range map[string][]byte{
		"past the end":      lie(func(e []byte) []byte { add(e, 0, 1<<30); return e }),
		"overlap":           lie(func(e []byte) []byte { add(e, 8, -10); add(e, 16, 10); return e }),
		"one more":          lie(func(e []byte) []byte { return appendEntry(e, 10, 10) }),
		"one less":          lie(func(e []byte) []byte { return e[8:] }),
		"frame of no bytes": lie(func(e []byte) []byte { return appendEntry(e, 0, 512) }),
		"two as one": lie(func(e []byte) []byte {
			add(e, 0, int32(binary.LittleEndian.Uint32(e[8:])))
			return append(e[:8], e[16:]...)
		}),
		"content disagrees": lie(func(e []byte) []byte { add(e, 4, 512); return e }),
		"no frames":         lie(func(e []byte) []byte { return nil }),
		"huge count":        hugeCount,
		"of another bundle": lie(func(e []byte) []byte { add(e, 0, 100); add(e, 32, -100); return e }),
	} {
		got, errs := read(t, b, want)
		if diff := cmp.Diff(names(want), got); diff != "" || len(errs) != 1 || !errors.Is(errs[0], ErrTable) {
			t.Errorf("%s: errors %v, members (-want +got):\n%s", name, errs, diff)
		}
	}
}

func TestE7TrailingData(t *testing.T) {
	want := items()
	b, _ := build(t, want)
	second, _ := build(t, []item{{ID: crate.ID{Name: "hidden", Version: "1.0.0"}, Data: []byte("x")}})
	at := placements(t, b)
	last := at[len(at)-1]
	end := int(last.Offset+last.FrameSize) + len(endFrame())
	for name, bad := range map[string][]byte{
		"one byte":                   append(bytes.Clone(b), 0),
		"garbage":                    append(bytes.Clone(b), noise(1000, 1)...),
		"second bundle":              append(bytes.Clone(b), second...),
		"second bundle, one table":   append(bytes.Clone(b[:end]), second...),
		"second end":                 append(bytes.Clone(b[:end]), endFrame()...),
		"skippable frame":            append(bytes.Clone(b), 0x50, 0x2A, 0x4D, 0x18, 1, 0, 0, 0, 0),
		"table over hidden members":  finish(t, append(bytes.Clone(b[:end]), frames(tarContent(crate.ID{Name: "hidden", Version: "1.0.0"}, nil, nil))...)),
		"bundle behind a short file": append(bytes.Clone(b[:end]), b...),
	} {
		got, errs := read(t, bad, want)
		if diff := cmp.Diff(names(want), got); diff != "" || !errors.Is(errors.Join(errs...), ErrTrailing) {
			t.Errorf("%s: errors %v, members (-want +got):\n%s", name, errs, diff)
		}
	}
}

// hostile is a member that we would not write, between two that we would.
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

// A member that we would not have written costs itself and is named, quoted.
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

// Frames that ask for much are refused before anything is allocated for them.
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
	var sums []crate.Checksum // a version that was published again is there with both its bytes (A8)
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
	upper := crate.ID{Name: "Twice", Version: "1.0.0"} // another crate, as far as a bundle is concerned
	got, errs = read(t, finish(t, frames(first, tarContent(upper, nil, nil))), append(known, item{ID: upper}))
	if len(got) != 2 || errs != nil {
		t.Errorf("other case: members %q, errors %v", got, errs)
	}
}

// repeated is a file of the same bytes over and over.
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

// A file that is made to look like damage over and over is given up on, in time
// that grows with its size.
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

func TestOpenTellsOtherFormats(t *testing.T) {
	long := append(items(), item{ID: crate.ID{Name: "large", Version: "1.0.0"}, Data: noise(9<<20, 5)})
	for name, b := range map[string][]byte{
		"empty": nil, "text": []byte(strings.Repeat("text", 100)), "v1.1.0": bundletest.Legacy(t, items()), "v1.1.0, long": bundletest.Legacy(t, long),
	} {
		_, err := Open(bytes.NewReader(b), int64(len(b)))
		if !errors.Is(err, ErrFormat) || errors.Is(err, ErrStream) != strings.HasPrefix(name, "v1.1.0") {
			t.Errorf("%s: %v, want ErrFormat, and ErrStream for v1.1.0 alone", name, err)
		}
	}
	// Nobody reads 64 MiB of each when a run begins.
	b := bundletest.Legacy(t, long)
	r := &counting{ReaderAt: bytes.NewReader(b)}
	if _, err := Open(r, int64(len(b))); !errors.Is(err, ErrStream) || r.n > windowSize+1<<20 {
		t.Errorf("%v after %d bytes of %d", err, r.n, len(b))
	}
	whole, _ := build(t, items())
	for name, b := range map[string][]byte{"whole": whole, "no table": whole[:len(whole)-50], "no start": append(make([]byte, 20), whole[20:]...), "neither": append(make([]byte, 20), whole[20:len(whole)-50]...)} {
		if _, err := Open(bytes.NewReader(b), int64(len(b))); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// counting counts the bytes that are read.
type counting struct {
	io.ReaderAt
	n int
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	c.n += n
	return n, err
}
