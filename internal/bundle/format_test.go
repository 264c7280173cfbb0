package bundle

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/legacy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/member"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestRoundTrip(t *testing.T) {
	want := append(items(),
		item{ID: crate.ID{Name: "max-small", Version: "1.0.0"}, Data: noise(smallContent-member.BlockSize, 3)},
		item{ID: crate.ID{Name: "min-large", Version: "1.0.0"}, Data: noise(smallContent-member.BlockSize+1, 4)},
		item{ID: crate.ID{Name: "large", Version: "1.0.0"}, Data: noise(3<<20+1, 5)},
	)
	b, sum := build(t, want)
	got, errs := read(t, b, want)
	if diff := cmp.Diff(names(want), got); diff != "" || errs != nil {
		t.Errorf("errors %v, members (-want +got):\n%s", errs, diff)
	}
	var size int64
	for _, it := range want {
		size += int64(len(it.Data))
	}
	if diff := cmp.Diff(Summary{
		FileSize: int64(len(b)), Checksum: sha256.Sum256(b), Members: len(want),
		Size: size, Min: "Serde_json", Max: longID.Name,
	}, sum); diff != "" {
		t.Errorf("summary (-want +got):\n%s", diff)
	}
}

// The bytes of a bundle are part of the format: another program, or a later version of this
// one, must read them (E16), and the same crates make the same bundle. If a new version of
// the zstd library writes other bytes, keep the golden file and add a second one.
func TestE16Golden(t *testing.T) {
	const name = "testdata/bundle-v1.tar.zst"
	b, _ := build(t, items())
	if *update {
		must(t, os.WriteFile(name, b, 0o644))
	}
	golden, err := os.ReadFile(name)
	must(t, err)
	if !bytes.Equal(b, golden) {
		t.Errorf("bundle has sha256 %x, golden file %x", sha256.Sum256(b), sha256.Sum256(golden))
	}
	got, errs := read(t, golden, items())
	if diff := cmp.Diff(names(items()), got); diff != "" || errs != nil {
		t.Errorf("errors %v, members (-want +got):\n%s", errs, diff)
	}
	const want = "94b6d4c82c0149b006b55bbd4db638db575798c2c2e031ad40d2109edf00a8a1"
	if sum := sha256.Sum256(golden); hex.EncodeToString(sum[:]) != want {
		t.Errorf("golden file has sha256 %x, want %s", sum, want)
	}
}

func TestE16NewerVersionIsNamed(t *testing.T) {
	b, _ := build(t, items())
	b[len(b)-5] = 1 // the descriptor of the seek table
	got, errs := read(t, b, items())
	if len(got) != len(items()) || !strings.Contains(errorTexts(errs), "version 2 of the format, this program knows version 1: use a newer one") {
		t.Errorf("%d members, errors %v", len(got), errs)
	}
}

// archive/tar reads the content of the frames as regular files.
func TestHeaderIsPlainTar(t *testing.T) {
	b, _ := build(t, items())
	z, err := zstd.NewReader(bytes.NewReader(b))
	must(t, err)
	defer z.Close()
	tr := tar.NewReader(z)
	for _, it := range items() {
		h, err := tr.Next()
		must(t, err)
		data, err := io.ReadAll(tr)
		must(t, err)
		want := fmt.Sprintf("%s %c %o %d %d %d %d", it.ID.LoosePath(), tar.TypeReg, 0o644, 0, 0, 0, len(it.Data))
		got := fmt.Sprintf("%s %c %o %d %d %d %d", h.Name, h.Typeflag, h.Mode, h.Uid, h.Gid, h.ModTime.Unix(), h.Size)
		if got != want || !bytes.Equal(data, it.Data) {
			t.Errorf("member %s, want %s; equal bytes: %v", got, want, bytes.Equal(data, it.Data))
		}
	}
	if _, err := tr.Next(); err != io.EOF {
		t.Errorf("after the last member: %v", err)
	}
}

// A short header equals the one that archive/tar writes.
func TestHeaderIsThatOfArchiveTar(t *testing.T) {
	for _, it := range items() {
		if it.ID == longID {
			continue // archive/tar would split the path, or name its record otherwise
		}
		var b bytes.Buffer
		must(t, tar.NewWriter(&b).WriteHeader(&tar.Header{
			Name: it.ID.LoosePath(), Mode: 0o644, Size: int64(len(it.Data)), Format: tar.FormatUSTAR,
		}))
		if got := appendHeader(nil, it.ID, int64(len(it.Data))); !bytes.Equal(got, b.Bytes()) {
			t.Errorf("%s:\n got %q\nwant %q", it.ID, got, b.Bytes())
		}
	}
}

func TestHeaderOfPathsAroundTheLimit(t *testing.T) {
	for n := 1; n <= crate.MaxVersion; n++ {
		id := crate.ID{Name: "abcd", Version: "1.0.0-" + strings.Repeat("x", n)}
		if id.Check() != nil {
			break
		}
		h := appendHeader(nil, id, 7)
		got, size, err := parseHeader(h)
		if got != id || size != 7 || err != nil || len(h) != headerSizeOf(id) {
			t.Fatalf("%s: parsed as %s, %d bytes, %v", id, got, size, err)
		}
		name, size, err := legacy.ReadHeader(bytes.NewReader(h))
		if name != id.LoosePath() || size != 7 || err != nil {
			t.Fatalf("%s: read as %q, %d bytes, %v", id, name, size, err)
		}
	}
}

// A frame does not depend on earlier frames, nor on how the bytes arrived or in which
// pieces.
func TestFramesAreDeterministic(t *testing.T) {
	for _, size := range []int{0, 1, 511, 512, 5000, 65279, 65280, 200_000, smallContent - member.BlockSize, smallContent - member.BlockSize + 1, 3 << 20, 3<<20 + 77} {
		id := crate.ID{Name: "some", Version: "1.0.0"}
		data := append(noise(size/2, 1), bytes.Repeat([]byte("text "), size)...)[:size]
		first, err := Encode(nil, id, data)
		must(t, err)
		for range 3 {
			_, err := Encode(nil, id, noise(100_000, 9))
			must(t, err)
			again, err := Encode(make([]byte, 10, 1000), id, data)
			must(t, err)
			if !bytes.Equal(first.Encoded, again.Encoded) || first.Checksum != again.Checksum {
				t.Fatalf("%d bytes are encoded differently the second time", size)
			}
		}
		m := durabletest.NewMem()
		w, err := Create(m, "b")
		must(t, err)
		member, err := w.AppendFrom(id, iotestOneByte{bytes.NewReader(data)}, int64(size), &first.Checksum)
		must(t, err)
		written, err := durable.ReadFile(m, "b.part", member.FrameSize)
		must(t, err)
		if !bytes.Equal(written, first.Encoded) {
			t.Errorf("%d bytes are encoded differently from a reader", size)
		}
	}
}

// iotestOneByte returns small, uneven pieces.
type iotestOneByte struct{ r io.Reader }

func (o iotestOneByte) Read(p []byte) (int, error) { return o.r.Read(p[:min(len(p), 1+len(p)/3)]) }

func TestEncodeRefuses(t *testing.T) {
	if _, err := Encode(nil, crate.ID{Name: "../x", Version: "1.0.0"}, nil); err == nil {
		t.Error("a crate with a bad name is encoded")
	}
	m := durabletest.NewMem()
	w, err := Create(m, "b")
	must(t, err)
	_, err = w.AppendFrom(crate.ID{Name: "x", Version: "1.0.0"}, nil, MaxSize+1, nil)
	if err == nil || !strings.Contains(err.Error(), "do not fit into a bundle") {
		t.Errorf("MaxSize+1: %v", err)
	}
}

// Stock tools read every bundle.
func TestStockTools(t *testing.T) {
	want := append(items(), item{ID: crate.ID{Name: "large", Version: "1.0.0"}, Data: noise(3<<20+1, 5)})
	b, _ := build(t, want)
	file := writeTemp(t, b)
	var list strings.Builder
	for _, it := range want {
		fmt.Fprintln(&list, it.ID.LoosePath())
	}
	for _, tt := range []struct {
		tool, want string
		args       []string
	}{
		{"zstd", "", []string{"-q", "-t", file}},
		{"zstd", fmt.Sprintf("     %d      1 ", len(want)+2), []string{"-l", file}},
		{"tar", list.String(), []string{"--zstd", "-tf", file}},
		{"bsdtar", list.String(), []string{"-tf", file}},
		{"tar", "", []string{"--zstd", "-xf", file}},
		{"bsdtar", "", []string{"-xf", file}},
	} {
		t.Run(tt.tool+" "+tt.args[len(tt.args)-2], func(t *testing.T) {
			if _, err := exec.LookPath(tt.tool); err != nil {
				t.Skipf("%s is not installed", tt.tool)
			}
			cmd := exec.Command(tt.tool, tt.args...)
			cmd.Dir = t.TempDir()
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), tt.want) {
				t.Fatalf("%v: %v, prints %q, want %q", cmd.Args, err, out, tt.want)
			}
			if tt.args[len(tt.args)-2] != "-xf" {
				return
			}
			for _, it := range want {
				data, err := os.ReadFile(filepath.Join(cmd.Dir, filepath.FromSlash(it.ID.LoosePath())))
				if err != nil || !bytes.Equal(data, it.Data) {
					t.Errorf("%s is extracted as %d bytes, %v", it.ID, len(data), err)
				}
			}
		})
	}
}
