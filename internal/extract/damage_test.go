package extract

import (
	"bytes"
	"context"
	"slices"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// E3: cut at any byte, the members before the cut come out, the damage is told
// with its place, and the whole bundle completes what the torn one began.
func TestE3TruncatedAtEveryByte(t *testing.T) {
	all := items()
	ix := indexOf(t, all)
	ends := memberEnds(t, ours(t, all))
	for format, build := range formats {
		b := build(t, all)
		first, step := durabletest.Every(5, nil)
		for cut := first; cut < len(b); cut += step {
			m := newMedia(t)
			m.write(name, b[:cut])
			s, out := extracted(t, m, Config{Index: ix})
			got := held(t, out, all)
			if s.Sound() || int64(len(got)) != s.Extracted {
				t.Fatalf("%s cut at %d: held %q, %+v", format, cut, got, s)
			}
			if whole := wholeBefore(ends, cut); format == "ours" && len(got) != whole {
				t.Fatalf("cut at %d: held %q, want %d", cut, got, whole)
			}
			if (cut-first)%50 == 0 {
				m.write(name, b)
				s, err := extractTo(t, out, m.mem, Config{Index: ix})
				must(t, err)
				wantProblems(t, s, nil, "")
				wantHeld(t, out, all, all)
			}
		}
	}
}

// memberEnds are the offsets behind the members of a bundle of ours.
func memberEnds(t testing.TB, b []byte) (ends []int64) {
	t.Helper()
	r, err := bundle.Open(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	for m, err := range r.Members() {
		must(t, err)
		ends = append(ends, m.Offset+m.FrameSize)
	}
	return ends
}

func wholeBefore(ends []int64, cut int) int {
	n := 0
	for n < len(ends) && ends[n] <= int64(cut) {
		n++
	}
	return n
}

// E4, and row 4 of the ten failures of v1.1.0: a flipped bit (of every third,
// so that each bit of a byte has its turn) never makes a
// wrong crate, and never goes unnoticed: in v1.1.0's format unless it changes no
// crate. In ours it costs one crate at most, and those few that change none are
// found by the checksum of the whole bundle.
func TestE4FlipOfEveryBit(t *testing.T) {
	all := items()
	for format, build := range formats {
		t.Run(format, func(t *testing.T) {
			b := build(t, all)
			silent, tried := 0, 0
			first, step := durabletest.Every(13, nil)
			for bit := first; bit < 8*len(b); bit += step {
				bad := bytes.Clone(b)
				bad[bit/8] ^= 1 << (bit % 8)
				m := newMedia(t)
				m.write(name, bad)
				m.manifest(all)
				if format == "ours" {
					m.catalog(b, all)
				}
				s, out := extracted(t, m, Config{})
				got := held(t, out, all)
				tried++
				if s.Sound() && s.Complete() {
					silent++
					if !slices.Equal(got, names(all)) {
						t.Fatalf("bit %d: held %q and nothing told", bit, got)
					}
				}
				if format == "ours" && len(got) < len(all)-1 {
					t.Fatalf("bit %d costs more than a crate: %q", bit, got)
				}
			}
			if format == "ours" && silent > 0 || silent > tried/100+10 { // in a part of them there may be more
				t.Errorf("%d of %d flips are silent", silent, tried)
			}
		})
	}
}

// E4 without other checksums than the bundle's own.
func TestE4FlipUnverified(t *testing.T) {
	all := items()
	for format, build := range formats {
		b := build(t, all)
		first, step := durabletest.Every(23, nil)
		for bit := first; bit < 8*len(b); bit += step {
			bad := bytes.Clone(b)
			bad[bit/8] ^= 1 << (bit % 8)
			m := newMedia(t)
			m.write(name, bad)
			s, out := extracted(t, m, Config{Unverified: true})
			got := held(t, out, all)
			if s.Sound() && s.Complete() && !slices.Equal(got, names(all)) {
				t.Fatalf("%s bit %d: held %q and nothing told", format, bit, got)
			}
			if format == "v1.1.0" && !s.Sound() && len(got) > 0 {
				t.Fatalf("bit %d: held %q of a damaged stream without any checksum", bit, got)
			}
		}
	}
}

// E5, E6: a seek table that is gone or wrong costs no crate, but is reported.
func TestE5E6SeekTable(t *testing.T) {
	all := items()
	b := ours(t, all)
	for what, bad := range map[string][]byte{
		"E5 cut short": b[:len(b)-7],
		"E5 garbled":   append(bytes.Clone(b[:len(b)-20]), noise(20, 9)...),
		"E6 huge":      append(bytes.Clone(b[:len(b)-9]), 0xff, 0xff, 0xff, 0x7f, 0, 0xb1, 0xea, 0x92, 0x8f),
	} {
		m := newMedia(t)
		m.write(name, bad)
		s, out := extracted(t, m, Config{Index: indexOf(t, all)})
		wantHeld(t, out, all, all)
		if s.Sound() {
			t.Errorf("%s: nothing told", what)
		}
	}
}

// E7: something behind the end of the archive.
func TestE7Trailing(t *testing.T) {
	all := items()
	for format, build := range formats {
		for what, more := range map[string][]byte{"garbage": noise(100, 1), "another bundle": ours(t, items()[:1])} {
			m := newMedia(t)
			m.write(name, append(build(t, all), more...))
			s, out := extracted(t, m, Config{Index: indexOf(t, all)})
			held(t, out, all)
			if format == "ours" || what == "garbage" { // the other is taken for a damaged one of ours
				wantHeld(t, out, all, all)
			}
			if s.Sound() {
				t.Errorf("%s with %s: nothing told", format, what)
			}
		}
	}
}

// E4: a bundle whose members are all good and which was changed all the same is
// named once, by extraction and by inspection.
func TestE4WholeBundleIsCompared(t *testing.T) {
	all := items()
	b := ours(t, all)
	other := append(bytes.Clone(b), b...)
	m := newMedia(t)
	m.write(name, b)
	m.manifest(all)
	m.catalog(other, all)
	s, out := extracted(t, m, Config{Index: indexOf(t, all)})
	wantHeld(t, out, all, all)
	wantProblems(t, s, map[Kind]int64{Damaged: 1}, "but bundles.index.jsonl says")
	if s.Sound() {
		t.Error("it is called sound")
	}
	report, err := Inspect(context.Background(), m.mem, name, func(bundle.Member) error { return nil })
	must(t, err)
	if len(report.Problems) != 1 {
		t.Errorf("inspection: %v", report.Problems)
	}
	m.catalog(b, all) // a later line stands
	s, _ = extracted(t, m, Config{})
	wantProblems(t, s, nil, "")
	must(t, durable.WriteFile(m.mem, bundle.FileName(1), b[:len(b)-10])) // no line
	bad := append(bytes.Clone(b[:len(b)-20]), noise(20, 9)...)
	must(t, m.mem.Remove(name))
	m.write(name, bad)
	s, _ = extracted(t, m, Config{Index: indexOf(t, all)})
	wantProblems(t, s, map[Kind]int64{Damaged: 2}, "seek table is missing or wrong")
}
