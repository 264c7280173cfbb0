package extract

import (
	"archive/tar"
	"bytes"
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
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// gzipped are some versions of a crate as cargo of 2023 made them, and one that is
// no gzip file at all.
func gzipped(t testing.TB, name string, count int) (list []item) {
	t.Helper()
	for n := range count {
		id := crate.ID{Name: name, Version: fmt.Sprintf("1.%d.0", n)}
		var inner, out bytes.Buffer
		w := tar.NewWriter(&inner)
		text := bytes.Repeat(fmt.Appendf(nil, "pub fn f%d() {}\n", n), 40)
		must(t, w.WriteHeader(&tar.Header{Name: id.Name + "-" + id.Version + "/src/lib.rs", Mode: 0o644, Size: int64(len(text)), Typeflag: tar.TypeReg}))
		_, err := w.Write(text)
		must(t, err)
		must(t, w.Close())
		out.Write([]byte("\x1f\x8b\x08\x08\x00\x00\x00\x00\x02\xff" + id.FileName() + "\x00"))
		must(t, deflate.Encode(&out, deflate.Zlib9Mem8, inner.Bytes()))
		b := binary.LittleEndian.AppendUint32(out.Bytes(), crc32.ChecksumIEEE(inner.Bytes()))
		list = append(list, item{ID: id, Data: binary.LittleEndian.AppendUint32(b, uint32(inner.Len()))})
	}
	return append(list, item{ID: crate.ID{Name: name, Version: "0.1.0"}, Data: noise(50, 9)})
}

// segment writes a segment with a pack for each list, and says where packs begin.
func (m *media) segment(number int, finished bool, lists ...[]item) (packs []deep.Placement) {
	m.t.Helper()
	w, err := deep.Create(m.mem, deep.FileName(number))
	must(m.t, err)
	for _, list := range lists {
		var sources []deep.Source
		for _, it := range list {
			key := crate.Key{ID: it.ID, Checksum: sha256.Sum256(it.Data)}
			sources = append(sources, deep.Source{Key: key, Open: func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(it.Data)), nil }})
		}
		p, err := deep.Build(m.t.Context(), sources, deep.Options{Level: 1})
		must(m.t, err)
		at, err := w.Append(p)
		must(m.t, err)
		packs = append(packs, at)
	}
	if !finished {
		must(m.t, w.Sync())
		must(m.t, w.Close())
		return packs
	}
	_, err = w.Finish()
	must(m.t, err)
	must(m.t, w.Publish())
	return packs
}

// flip changes a byte of a segment.
func (m *media) flip(number int, offset int64) {
	m.t.Helper()
	name := deep.FileName(number)
	data, err := durable.ReadFile(m.mem, name, 1<<30)
	must(m.t, err)
	data[offset] ^= 1
	must(m.t, m.mem.Remove(name))
	m.write(name, data)
}

// unpack extracts all segments into out.
func (m *media) unpack(out durable.FS, cfg Config) *Summary {
	m.t.Helper()
	var err error
	cfg.Bundles, cfg.Out = m.mem, out
	cfg.Store, err = loose.Open(out, loose.Batch)
	must(m.t, err)
	cfg.Names, err = FindSegments(m.mem)
	must(m.t, err)
	s, err := Run(m.t.Context(), cfg)
	must(m.t, err)
	return s
}

// All versions come back, those of a segment that is not finished too, and a version
// that is in a pack that was put together with others is stored once. Another run
// writes nothing.
func TestSegments(t *testing.T) {
	some, other := gzipped(t, "some", 5), gzipped(t, "other", 3)
	all := append(append([]item{}, some...), other...)
	for what, cfg := range map[string]Config{"index": {Index: indexOf(t, all)}, "unverified": {Unverified: true}} {
		m := newMedia(t)
		m.segment(0, true, some[:2], other)
		m.segment(1, false, some)
		out := durabletest.NewMem()
		for run, want := range []int64{int64(len(all)), 0} {
			s := m.unpack(out, cfg)
			wantProblems(t, s, nil, "")
			wantHeld(t, out, all, all)
			if s.Extracted != want || s.OK() != int64(len(all)+2) || s.Counts.Bundles != 2 || s.Read != s.Size {
				t.Errorf("%s, run %d: %+v, want %d extracted", what, run, s.Counts, want)
			}
		}
	}
}

// A damaged pack is named and the others come out; with a good copy the rest does.
// It is named also when nothing of it is missing.
func TestSegmentDamaged(t *testing.T) {
	some, other := gzipped(t, "some", 3), gzipped(t, "other", 3)
	all := append(append([]item{}, some...), other...)
	m := newMedia(t)
	packs := m.segment(0, true, some, other)
	last := packs[0].Offset + packs[0].Size - 1
	cfg := Config{Index: indexOf(t, all)}
	out := durabletest.NewMem()
	for what, offset := range map[string]int64{"frame": last, "directory": 50} {
		m.flip(0, offset)
		s := m.unpack(out, cfg)
		wantHeld(t, out, all, other)
		wantProblems(t, s, map[Kind]int64{Damaged: 1}, map[string]string{
			"frame": "a pack of some, 4 of whose 4 versions are missing: damaged from offset 0 to ", "directory": "damaged from offset 0 to ",
		}[what])
		m.flip(0, offset)
	}
	wantProblems(t, m.unpack(out, cfg), nil, "")
	wantHeld(t, out, all, all)
	m.flip(0, last)
	wantProblems(t, m.unpack(out, cfg), map[Kind]int64{Damaged: 1}, "0 of whose 4 versions are missing")
	m.flip(0, last)
	m.write(deep.FileName(1), []byte("no segment"))
	wantProblems(t, m.unpack(out, cfg), map[Kind]int64{Damaged: 1}, "not a deep segment")
}

// What the index does not name stays in the segment. Bytes that a version had before are
// counted, or extracted if they are wanted, and a version without others is missing.
func TestSegmentAndIndex(t *testing.T) {
	some := gzipped(t, "some", 3)
	before := item{ID: some[0].ID, Data: noise(80, 4)}
	cfg := Config{Index: indexOf(t, some)}
	m := newMedia(t)
	m.segment(0, true, append([]item{before}, some...))
	out := durabletest.NewMem()
	s := m.unpack(out, cfg)
	wantProblems(t, s, nil, "")
	wantHeld(t, out, some, some)
	if s.Superseded != 1 {
		t.Errorf("%d superseded, want 1", s.Superseded)
	}
	cfg.Superseded = true
	wantProblems(t, m.unpack(out, cfg), nil, "")
	sum := crate.Checksum(sha256.Sum256(before.Data))
	data, err := durable.ReadFile(out, before.ID.RepublishedPath(sum.FileKey()), 1<<20)
	if err != nil || !bytes.Equal(data, before.Data) {
		t.Errorf("republished: %d bytes, %v", len(data), err)
	}

	m = newMedia(t)
	m.segment(0, true, []item{before}, gzipped(t, "strange", 1))
	s = m.unpack(durabletest.NewMem(), cfg)
	wantProblems(t, s, map[Kind]int64{Unknown: 2, Missing: 1}, "it is in the pack at offset")
	m = newMedia(t)
	m.segment(0, true, some)
	bundles, err := FindSegments(m.mem)
	must(t, err)
	if err := CheckManifests(m.mem, bundles); err == nil {
		t.Error("there is no manifest, and no error")
	}
}
