package legacy_test

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/bundletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/legacy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/member"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// longID has a path of more than 100 bytes.
var longID = crate.ID{
	Name:    "windows-" + strings.Repeat("x", 40),
	Version: "0.1.0-" + strings.Repeat("a", 40) + "+build.1",
}

// items returns small crates of every shape.
func items() []bundletest.Item {
	return []bundletest.Item{
		{ID: crate.ID{Name: "a", Version: "1.0.0"}, Data: []byte("hello")},
		{ID: crate.ID{Name: "Serde_json", Version: "1.0.0-rc.1+b"}, Data: bundletest.Noise(512, 1)},
		{ID: crate.ID{Name: "a-bc", Version: "0.0.1"}, Data: nil},
		{ID: longID, Data: bundletest.Noise(700, 2)},
		{ID: crate.ID{Name: "nul", Version: "9.9.9"}, Data: bytes.Repeat([]byte("abc"), 500)},
	}
}

// build makes a bundle as this program does.
func build(t testing.TB, items []bundletest.Item) []byte {
	t.Helper()
	m := durabletest.NewMem()
	w, err := bundle.Create(m, "b")
	must(t, err)
	for _, it := range items {
		_, err := w.AppendFrom(it.ID, bytes.NewReader(it.Data), int64(len(it.Data)), nil)
		must(t, err)
	}
	_, err = w.Finish()
	must(t, err)
	must(t, w.Publish())
	b, err := durable.ReadFile(m, "b", 1<<30)
	must(t, err)
	return b
}

// tarball returns an archive made by archive/tar.
func tarball(t testing.TB, write func(tw *tar.Writer)) []byte {
	t.Helper()
	var b bytes.Buffer
	tw := tar.NewWriter(&b)
	write(tw)
	must(t, tw.Close())
	return b.Bytes()
}

// scanned returns what a reader yields.
func scanned(t testing.TB, b []byte) (got []bundletest.Item, errs []error) {
	t.Helper()
	for e, err := range legacy.Open(bytes.NewReader(b), int64(len(b))).Members() {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		data, err := io.ReadAll(e)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if int64(len(data)) != e.Size {
			t.Errorf("%s has %d bytes, want %d", e.ID, len(data), e.Size)
		}
		got = append(got, bundletest.Item{ID: e.ID, Data: data})
	}
	return got, errs
}

func sameItems(t *testing.T, what string, want, got []bundletest.Item) {
	t.Helper()
	if diff := cmp.Diff(bundletest.Names(want), bundletest.Names(got)); diff != "" {
		t.Errorf("%s: members (-want +got):\n%s", what, diff)
		return
	}
	for i := range want {
		if !bytes.Equal(want[i].Data, got[i].Data) {
			t.Errorf("%s: %s has other bytes", what, want[i].ID)
		}
	}
}

func TestReadsEveryBundle(t *testing.T) {
	want := append(items(), bundletest.Item{ID: crate.ID{Name: "large", Version: "1.0.0"}, Data: bundletest.Noise(3<<20+1, 5)})
	ours := build(t, want)
	owned := bundletest.Compress(t, tarball(t, func(tw *tar.Writer) {
		for _, it := range want {
			must(t, tw.WriteHeader(&tar.Header{
				Name: it.ID.LoosePath(), Mode: 0o4755, Size: int64(len(it.Data)), ModTime: time.Now().Add(time.Hour),
				Uid: 1000, Gid: 1000, Uname: "somebody", Gname: "users",
			}))
			_, err := tw.Write(it.Data)
			must(t, err)
		}
	}))
	padded := bundletest.Compress(t, append(tarball(t, func(tw *tar.Writer) {
		must(t, tw.WriteHeader(&tar.Header{Name: want[0].ID.LoosePath(), Mode: 0o644, Size: 5}))
		_, err := tw.Write(want[0].Data)
		must(t, err)
	}), make([]byte, 16*member.BlockSize)...))
	for name, tt := range map[string]struct {
		archive []byte
		want    []bundletest.Item
	}{"ours": {ours, want}, "v1.1.0": {bundletest.Legacy(t, want), want}, "F7 owned": {owned, want}, "padded": {padded, want[:1]}} {
		got, errs := scanned(t, tt.archive)
		if errs != nil {
			t.Errorf("%s: %v", name, errs)
		}
		sameItems(t, name, tt.want, got)
	}
}

// The checksum of the frame is verified, so no flipped bit that changes a crate goes
// unnoticed: v1.1.0 exited with 0 for 59 of 60 wrong crates.
func TestE4ScanNoticesEveryFlip(t *testing.T) {
	b := bundletest.Legacy(t, items())
	for bit := 0; bit < 8*len(b); bit += 3 {
		bad := bytes.Clone(b)
		bad[bit/8] ^= 1 << (bit % 8)
		if got, errs := scanned(t, bad); len(errs) == 0 {
			sameItems(t, fmt.Sprintf("bit %d of byte %d", bit%8, bit/8), items(), got)
		}
	}
}

func TestE3ScanNoticesEveryCut(t *testing.T) {
	b := bundletest.Legacy(t, items())
	for cut := range len(b) {
		if _, errs := scanned(t, b[:cut]); len(errs) == 0 {
			t.Fatalf("a cut at byte %d of %d is not noticed", cut, len(b))
		}
	}
}

func TestE7ScanNoticesTrailingData(t *testing.T) {
	b := bundletest.Legacy(t, items())
	inner := tarball(t, func(tw *tar.Writer) {
		must(t, tw.WriteHeader(&tar.Header{Name: "x/x-1.0.0.crate", Mode: 0o644}))
	})
	for name, bad := range map[string][]byte{
		"garbage":               append(bytes.Clone(b), "garbage"...),
		"second archive":        append(bytes.Clone(b), b...),
		"member behind the end": bundletest.Compress(t, append(bytes.Clone(inner), inner...)),
		"zeros without end":     bundletest.Compress(t, append(bytes.Clone(inner), make([]byte, 1<<20)...)),
		"one zero block":        bundletest.Compress(t, inner[:len(inner)-member.BlockSize]),
		"no end":                bundletest.Compress(t, inner[:len(inner)-2*member.BlockSize]),
	} {
		if _, errs := scanned(t, bad); len(errs) == 0 {
			t.Errorf("%s is not noticed", name)
		}
	}
}

// F1, F15: a member with another path costs only itself; the error quotes its name.
func TestF1ScanRefusesPaths(t *testing.T) {
	for _, name := range []string{
		"../serde-1.0.0.crate", "/s/er/serde-1.0.0.crate", "s/er/../../serde-1.0.0.crate", `C:\serde-1.0.0.crate`,
		`s\er\serde-1.0.0.crate`, "serde-1.0.0.crate", "s/er/serde.crate", "README", "s/er/\x1b[2J-1.0.0.crate", "./s/er/serde-1.0.0.crate",
	} {
		b := bundletest.Compress(t, tarball(t, func(tw *tar.Writer) {
			for _, n := range []string{name, "x/x-1.0.0.crate"} {
				must(t, tw.WriteHeader(&tar.Header{Name: n, Mode: 0o644, Size: 3}))
				_, err := tw.Write([]byte("abc"))
				must(t, err)
			}
		}))
		got, errs := scanned(t, b)
		var bad *legacy.MemberError
		if len(errs) != 1 || !errors.As(errs[0], &bad) || bad.Name != name || strings.Contains(errs[0].Error(), "\x1b") {
			t.Errorf("%q: errors %v", name, errs)
		}
		sameItems(t, name, []bundletest.Item{{ID: crate.ID{Name: "x", Version: "1.0.0"}, Data: []byte("abc")}}, got)
	}
}

// F2, F6: anything that is not a regular file ends the reading.
func TestF2F6ScanRefusesWhatIsNotPlain(t *testing.T) {
	const name = "s/er/serde-1.0.0.crate"
	for what, h := range map[string]*tar.Header{
		"file with a link": {Name: name, Typeflag: tar.TypeReg, Linkname: "/etc/passwd"},
		"symbolic link":    {Name: name, Typeflag: tar.TypeSymlink, Linkname: "/etc/passwd"},
		"hard link":        {Name: name, Typeflag: tar.TypeLink, Linkname: "x/x-1.0.0.crate"},
		"FIFO":             {Name: name, Typeflag: tar.TypeFifo},
		"device":           {Name: name, Typeflag: tar.TypeChar},
		"directory":        {Name: "s/er/", Typeflag: tar.TypeDir},
		"GNU":              {Name: name, Format: tar.FormatGNU},
		"GNU long name":    {Name: longID.LoosePath(), Format: tar.FormatGNU},
		"PAX comment":      {Name: name, PAXRecords: map[string]string{"comment": "x"}},
		"PAX mtime":        {Name: name, ModTime: time.Unix(1, 5), Format: tar.FormatPAX},
		"PAX owner":        {Name: name, Uname: "Jürgen"},
		"global header":    {Name: "g", Typeflag: tar.TypeXGlobalHeader, PAXRecords: map[string]string{"path": "x"}},
		"size in PAX":      {Name: name, Size: 0, PAXRecords: map[string]string{"MIRROR.size": "1"}},
	} {
		b := bundletest.Compress(t, tarball(t, func(tw *tar.Writer) { must(t, tw.WriteHeader(h)) }))
		got, errs := scanned(t, b)
		if len(got) != 0 || len(errs) != 1 {
			t.Errorf("%s: %d members, errors %v", what, len(got), errs)
		}
	}
}

func TestF4F5ScanIsBounded(t *testing.T) {
	window := slices.Concat([]byte{0x28, 0xB5, 0x2F, 0xFD, 0x04, 19 << 3}, []byte{1, 0, 0}, make([]byte, 22))
	if _, errs := scanned(t, window); len(errs) != 1 || !strings.Contains(errs[0].Error(), "window size exceeded") {
		t.Errorf("window of 512 MiB: %v", errs)
	}
	var huge bytes.Buffer
	must(t, tar.NewWriter(&huge).WriteHeader(&tar.Header{Name: "s/er/serde-1.0.0.crate", Mode: 0o644, Size: member.MaxSize + 1}))
	big := huge.Bytes()
	if _, errs := scanned(t, bundletest.Compress(t, big)); len(errs) != 1 || !strings.Contains(errs[0].Error(), "is not 0 to") {
		t.Errorf("size over the limit: %v", errs)
	}
}

func TestSkipsWhatIsNotRead(t *testing.T) {
	want := items()
	b := bundletest.Legacy(t, want)
	var got []string
	for e, err := range legacy.Open(bytes.NewReader(b), int64(len(b))).Members() {
		must(t, err)
		_, err = io.CopyN(io.Discard, e, min(3, e.Size))
		must(t, err)
		got = append(got, e.ID.String())
	}
	if diff := cmp.Diff(bundletest.Names(want), got); diff != "" {
		t.Errorf("members (-want +got):\n%s", diff)
	}
	for range legacy.Open(bytes.NewReader(b), int64(len(b))).Members() {
		break // and a consumer may stop
	}
}

// A read error is not reported as damage.
func TestReadErrorIsTold(t *testing.T) {
	b := bundletest.Legacy(t, items())
	broken := errors.New("input/output error")
	r := legacy.Open(badDisk{bytes.NewReader(b), int64(len(b) / 2), broken}, int64(len(b)))
	var last error
	for _, err := range r.Members() {
		last = err
	}
	if !errors.Is(last, broken) || !errors.As(last, new(*legacy.ReadError)) {
		t.Errorf("the disk fails: %v", last)
	}
	last = nil
	for _, err := range legacy.Open(bytes.NewReader(b), int64(len(b)/2)).Members() {
		last = err
	}
	if last == nil || errors.As(last, new(*legacy.ReadError)) {
		t.Errorf("the file is cut: %v", last)
	}
}

// badDisk fails from some byte on.
type badDisk struct {
	io.ReaderAt
	from int64
	err  error
}

func (d badDisk) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > d.from {
		return 0, d.err
	}
	return d.ReaderAt.ReadAt(p, off)
}
