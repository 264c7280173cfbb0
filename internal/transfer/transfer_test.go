package transfer

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

func sum(text string) crate.Checksum {
	s, _, _ := crate.Hash(strings.NewReader(text))
	return s
}

func point(n int) Point {
	return Point{Line: strings.Repeat("ab", 16), Number: n, Digest: sum("set"), Commit: strings.Repeat("0123456789", 4), Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
}

// example is a manifest of files with some contents, and these.
func example(sizes ...int) (*Manifest, map[string][]byte) {
	m := &Manifest{Base: point(15), End: point(16), Versions: 7, Volumes: 2, Parity: 5}
	names := []string{IndexName, FactsName, "bundle-0000.tar.zst", "bundle-0001.tar.zst", "deep-0000.zst"}
	m.Files = append(m.Files, File{Name: BlocksName})
	contents := map[string][]byte{}
	random := rand.NewChaCha8([32]byte{1})
	for i, size := range sizes {
		data := make([]byte, size)
		random.Read(data)
		contents[names[i]] = data
		m.Files = append(m.Files, File{Volume: 1 + i%2, Name: names[i], Size: int64(size), SHA256: sum(string(data))})
	}
	m.Files = append(m.Files, File{Volume: 2, Name: ParityName(1), Size: m.Layout().ParitySize()})
	m.Files[0].Size = m.Layout().blocksSize()
	return m, contents
}

func TestManifest(t *testing.T) {
	m, _ := example(100, 0, 3<<20, 1)
	text, err := m.Seal()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Open(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, got); diff != "" {
		t.Error(diff)
	}
	m.Base = Point{}
	text, _ = m.Seal()
	if got, err = Open(text); err != nil || !got.Base.IsZero() {
		t.Error(got, err)
	}
	for name, replace := range map[string][2]string{
		"another headline":  {"transfer 1", "transfer 2"},
		"a path":            {"bundle-0000.tar.zst", "../bundle-0000.tar.zst"},
		"an absolute path":  {"index.bundle", "/etc/passwd"},
		"a foreign name":    {"bundle-0001", "hooks"},
		"twice":             {"bundle-0001.", "bundle-0000."},
		"no index":          {"index.bundle", "bundle-0009.tar.zst"},
		"a negative size":   {" 3145728 ", " -1 "},
		"a size beyond all": {" 3145728 ", " 9223372036854775807 "},
		"a size with zero":  {" 3145728 ", " 03145728 "},
		"no such volume":    {"file 2 facts", "file 3 facts"},
		"empty":             {" 3145728 ", " 0 "},
		"entries":           {"16 0\n", "16 99999999999\n"},
		"a point of zero":   {"end " + m.End.Line + " 16", "end " + m.End.Line + " 0"},
		"a space too much":  {"volumes 2", "volumes  2"},
		"upper case":        {"abab", "ABAB"},
		"no end of line":    {"\n", " "},
	} {
		other := strings.Replace(string(text), replace[0], replace[1], 1)
		if other == string(text) && name != "entries" {
			t.Errorf("%s: nothing was replaced", name)
		}
		if _, err := Open([]byte(other)); !errors.Is(err, ErrFormat) && other != string(text) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestVolumesAtMost: what the far side does not read is not made.
func TestVolumesAtMost(t *testing.T) {
	m, _ := example(100, 0, 3<<20, 1)
	m.Volumes = MaxVolumes
	text, err := m.Seal()
	if err == nil {
		_, err = Open(text)
	}
	if err != nil {
		t.Error(err)
	}
	m.Volumes++
	if _, err := m.Seal(); err == nil {
		t.Errorf("a transfer of %d volumes is sealed", m.Volumes)
	}
}

func TestPoints(t *testing.T) {
	other := point(16)
	other.Line = strings.Repeat("cd", 16)
	for _, c := range []struct {
		at, base Point
		want     bool
	}{
		{Point{}, Point{}, true}, {point(3), Point{}, true}, {point(15), point(15), true}, {point(17), point(15), true},
		{point(14), point(15), false}, {Point{}, point(1), false}, {other, point(15), false},
	} {
		if c.at.Covers(c.base) != c.want {
			t.Errorf("%v covers %v: want %v", c.at, c.base, c.want)
		}
	}
	id := point(16).ID()
	if !IsID(id) || !IsID("16") || IsID("16-") || IsID("0") || IsID("last") || IsID("state.zst") || !point(16).Is("16") || !point(16).Is(id) || point(16).Is("16-00000000") {
		t.Error("IDs are not told apart: ", id)
	}
}

func TestState(t *testing.T) {
	keys := []crate.Key{
		{ID: crate.ID{Name: "Abc", Version: "1.0.0"}, Checksum: sum("1")},
		{ID: crate.ID{Name: "abd", Version: "1.0.0"}, Checksum: sum("2")},
		{ID: crate.ID{Name: "abd", Version: "1.0.0+x"}, Checksum: sum("3")},
		{ID: crate.ID{Name: "ABE-1", Version: "0.1.0"}, Checksum: sum("4")},
	}
	var b bytes.Buffer
	w, err := NewStateWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range keys {
		if err := w.Add(Entry{k, i}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.End(point(9)); err != nil {
		t.Fatal(err)
	}
	read := func(data []byte) (n int, p Point, err error) {
		r, err := NewStateReader(bytes.NewReader(data))
		if err != nil {
			return 0, p, err
		}
		defer r.Close()
		for {
			e, err := r.Next()
			if err == io.EOF {
				return n, r.Point, nil
			}
			if err != nil {
				return n, p, err
			}
			if Compare(e.Key, Half(keys[n])) != 0 || e.Since != n {
				t.Errorf("entry %d is %v", n, e)
			}
			n++
		}
	}
	if n, p, err := read(b.Bytes()); n != 4 || p != point(9) || err != nil {
		t.Error(n, p, err)
	}
	for i := range b.Len() { // however it is cut off
		if _, _, err := read(b.Bytes()[:i]); err == nil {
			t.Errorf("a state of %d bytes of %d passes for whole", i, b.Len())
		}
	}
}

// file is one in memory.
type file struct {
	data []byte
	at   int64
}

func (f *file) Seek(offset int64, _ int) (int64, error) { f.at = offset; return offset, nil }

func (f *file) Write(p []byte) (int, error) {
	f.data = append(f.data, make([]byte, max(0, int(f.at)+len(p)-len(f.data)))...)
	return copy(f.data[f.at:], p), nil
}

// TestParity: whatever is lost, up to what the parity is for, is rebuilt; more is told.
func TestParity(t *testing.T) {
	m, contents := example(1000, 0, 150*PieceSize+77, 60*PieceSize, PieceSize-1)
	l := m.Layout()
	if l.groups != 3 || l.rows != 71 || l.extra != 4 {
		t.Fatalf("%d groups of %d with %d", l.groups, l.rows, l.extra)
	}
	var parity bytes.Buffer
	from := func(f *File) ([]io.ReaderAt, error) {
		// The first copy is damaged everywhere.
		return []io.ReaderAt{bytes.NewReader(contents["damaged "+f.Name]), bytes.NewReader(contents[f.Name])}, nil
	}
	var sums file
	err := l.Encode(from, &parity, &sums)
	blocks := bytes.NewReader(sums.data)
	if err != nil || int64(parity.Len()) != l.ParitySize() {
		t.Fatal(parity.Len(), err)
	}
	contents[ParityName(1)] = parity.Bytes()
	contents["damaged bundle-0001.tar.zst"] = make([]byte, 60*PieceSize)
	big := "bundle-0000.tar.zst"
	whole := contents[big]
	for name, c := range map[string]struct {
		damage func(b []byte) []byte
		fails  bool
	}{
		"12 pieces in a row": {func(b []byte) []byte { clear(b[5*PieceSize-3 : 16*PieceSize]); return b }, false},
		"13 pieces in a row": {func(b []byte) []byte { clear(b[5*PieceSize : 18*PieceSize]); return b }, true},
		"a bit":              {func(b []byte) []byte { b[len(b)-1] ^= 1; return b }, false},
		"cut off":            {func(b []byte) []byte { return b[:149*PieceSize] }, false},
		"lost":               {func(b []byte) []byte { return nil }, true},
	} {
		contents[big] = c.damage(bytes.Clone(whole))
		got := make([]byte, len(whole))
		copy(got, contents[big])
		err := l.Rebuild(func(f *File) bool { return f.Name == big }, blocks, from, func(f *File, offset int64, piece []byte) error {
			copy(got[offset:], piece)
			return nil
		})
		if c.fails != errors.As(err, new(*LostError)) || !c.fails && (err != nil || !bytes.Equal(got, whole)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// A small file may be lost as a whole, and parity too.
	contents[big] = whole
	small := contents["deep-0000.zst"]
	delete(contents, "deep-0000.zst")
	contents[ParityName(1)] = parity.Bytes()[:10*PieceSize]
	var got []byte
	err = l.Rebuild(func(f *File) bool { return f.Name == "deep-0000.zst" }, blocks, from, func(f *File, offset int64, piece []byte) error {
		got = append(got, piece...)
		return nil
	})
	if err != nil || !bytes.Equal(got, small) {
		t.Error(len(got), err)
	}
}
