package deep

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	seekable "github.com/SaveTheRbtz/zstd-seekable-format-go/pkg"
	"github.com/klauspost/compress/zstd"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deflate"
)

var update = flag.Bool("update", false, "rewrite the golden segment")

const golden = "testdata/deep-v1.zst"

// goldenCrates are in the golden segment: three made by real encoders, and one that is kept
// verbatim.
func goldenCrates() [][]given {
	toml, lib := file{"Cargo.toml", "[package]\nname = \"tiny\"\n"}, file{"src/lib.rs", scramble(12, 6000)}
	return [][]given{
		{
			realCrate(deflate.Zlib9Mem8, "tiny", "0.1.0", toml, lib, file{"README.md", "# Tiny\n"}),
			realCrate(deflate.ZlibRS, "tiny", "0.2.0+build.7", toml, lib, file{"README.md", "# Tiny, again\n"}),
			realCrate(deflate.Zlib9Mem9, "tiny", "0.2.1", toml, file{"src/lib.rs", scramble(40, 20_000)}),
		},
		{give(crate.ID{Name: "odd", Version: "1.0.0"}, []byte("this is no gzip file"))},
	}
}

// realCrate returns a .crate like those of some years' cargo.
func realCrate(e deflate.Encoder, name, version string, files ...file) given {
	id := crate.ID{Name: name, Version: version}
	tar := cargoTar(id, files...)
	b := bytes.NewBufferString("\x1f\x8b\x08\x08\x00\x00\x00\x00\x02\xff" + id.FileName() + "\x00")
	if err := deflate.Encode(b, e, tar); err != nil {
		panic(err)
	}
	return give(id, appendTrailer(b.Bytes(), tar))
}

// Every later version reads a segment that an earlier one wrote.
func TestGoldenSegment(t *testing.T) {
	want := goldenCrates()
	if *update {
		b := segment(t, build(t, want[0]), build(t, want[1]))
		must(t, os.WriteFile(golden, b, 0o644))
	}
	b, err := os.ReadFile(golden)
	must(t, err)
	got, errs := read(t, b, want)
	if len(errs) > 0 || strings.Join(got, ", ") != strings.Join(ids(want...), ", ") {
		t.Errorf("%q, %v", got, errs)
	}
	d := directories(t, open(t, b))
	if v := d[1].Versions[0]; v.Encoder != Verbatim || v.Reason != NotGzip {
		t.Errorf("%s: encoder %d, %s", v.ID, v.Encoder, v.Reason)
	}
	// We write the same for these crates, except for the compression by zstd.
	for n, p := range []*Pack{build(t, want[0]), build(t, want[1])} {
		if p.Content != d[n].Content {
			t.Errorf("content of pack %d has %d bytes, that of the golden segment %d", n, p.Content, d[n].Content)
		}
		p.frame, p.frameSum = d[n].frame, d[n].frameSum
		if got := appendDirectory(nil, &p.Directory); !bytes.Equal(got, b[d[n].Offset:][:len(got)]) {
			t.Errorf("directory of pack %d differs from that of the golden segment", n)
		}
	}
}

// The stock zstd finds no error in a segment, and counts its frames.
func TestStockZstd(t *testing.T) {
	program, err := exec.LookPath("zstd")
	if err != nil {
		t.Skip("there is no zstd here")
	}
	fakeEngine(t)
	b, _ := small(t)
	name := filepath.Join(t.TempDir(), "deep-0001.zst")
	must(t, os.WriteFile(name, b, 0o644))
	if out, err := exec.Command(program, "-t", name).CombinedOutput(); err != nil {
		t.Errorf("zstd -t: %v\n%s", err, out)
	}
	out, err := exec.Command(program, "-lv", name).CombinedOutput()
	must(t, err)
	for _, want := range []string{"# Zstandard Frames: 3", "# Skippable Frames: 4", "Check: XXH64"} {
		if !strings.Contains(string(out), want) {
			t.Errorf("zstd -lv does not say %q:\n%s", want, out)
		}
	}
	b[len(b)/3] ^= 1
	must(t, os.WriteFile(name, b[:len(b)-30], 0o644))
	if exec.Command(program, "-t", name).Run() == nil {
		t.Error("zstd -t finds nothing wrong with a cut segment")
	}
}

// Another implementation of the seekable format reads our table.
func TestOracleReadsOurSeekTable(t *testing.T) {
	fakeEngine(t)
	b, _ := small(t)
	z, err := zstd.NewReader(bytes.NewReader(b))
	must(t, err)
	defer z.Close()
	want, err := io.ReadAll(z)
	must(t, err)
	r, err := seekable.NewReader(bytes.NewReader(b), z)
	must(t, err)
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%d bytes of content, want %d: %v", len(got), len(want), err)
	}
}

// The real encoders are identified, where their bytes differ.
func TestRealEncoders(t *testing.T) {
	all := goldenCrates()[0]
	r := open(t, segment(t, build(t, all)))
	d := directories(t, r)[0]
	for n, e := range []deflate.Encoder{deflate.Zlib9Mem8, deflate.ZlibRS, deflate.Zlib9Mem9} {
		if got := d.Versions[n].Encoder; got != e {
			t.Errorf("version %d: %s, want %s", n, got, e)
		}
		data, err := r.Rebuild(context.Background(), d, n)
		if err != nil || !bytes.Equal(data, all[n].data) {
			t.Errorf("version %d: %v", n, err)
		}
	}
}

// For every encoder's crate, an encoder is found that makes it again.
func TestEveryEncoder(t *testing.T) {
	for e := range deflate.Encoder(255) {
		if !e.Known() {
			continue
		}
		g := realCrate(e, "tiny", "0.1.0", file{"src/lib.rs", scramble(12, 6000)}, file{"src/tables.rs", prose(1, 90_000)})
		r := open(t, segment(t, build(t, []given{g})))
		d := directories(t, r)[0]
		data, err := r.Rebuild(context.Background(), d, 0)
		if err != nil || !bytes.Equal(data, g.data) || d.Versions[0].Encoder == Verbatim {
			t.Errorf("%s: by %s, %v", e, d.Versions[0].Encoder, err)
		}
	}
}
