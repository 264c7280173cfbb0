package bundle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/bundletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// Truncated at any byte, a bundle yields the members before that byte, and reports where it
// ends.
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

// A flipped bit costs at most one crate, and is reported unless it changes no crate: a few
// bits only select between two encodings of the same zeros.
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
	if silent > tried/100+10 { // a sample may have more of them
		t.Errorf("%d of %d flips are silent", silent, tried)
	}
}

// Two faults at once: without the seek table, the reader searches for the next frame.
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
	// A run does not read 64 MiB of each when it starts.
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

// counting counts the bytes read.
type counting struct {
	io.ReaderAt
	n int
}

func (c *counting) ReadAt(p []byte, off int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, off)
	c.n += n
	return n, err
}
