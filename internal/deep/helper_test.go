package deep

import (
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deflate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fake is the number of the tests' encoder, that of the standard library.
const fake deflate.Encoder = 2

var compressors = sync.Pool{New: func() any {
	z, err := flate.NewWriter(nil, flate.BestSpeed)
	if err != nil {
		panic(err)
	}
	return z
}}

// fakeEngine replaces the engine with the standard library.
func fakeEngine(t testing.TB) {
	old := engine
	t.Cleanup(func() { engine = old })
	engine.identify = identifyFake
	engine.known = func(e deflate.Encoder) bool { return e == fake }
	engine.encode = func(w io.Writer, _ deflate.Encoder, src []byte) error {
		z := compressors.Get().(*flate.Writer)
		defer compressors.Put(z)
		z.Reset(w)
		if _, err := z.Write(src); err != nil {
			return err
		}
		return z.Close()
	}
}

// identifyFake is deflate.Identify for that encoder alone.
func identifyFake(ctx context.Context, src, stream []byte, _ ...deflate.Encoder) (deflate.Encoder, bool, error) {
	var b bytes.Buffer
	if err := engine.encode(&b, fake, src); err != nil || !bytes.Equal(b.Bytes(), stream) {
		return 0, false, errors.Join(err, ctx.Err())
	}
	return fake, true, ctx.Err()
}

// file is a file in a crate.
type file struct{ path, text string }

// cargoTar makes a tar as cargo does: GNU headers, checksums of seven digits.
func cargoTar(id crate.ID, files ...file) []byte {
	var tar []byte
	for _, f := range files {
		var h [blockSize]byte
		copy(h[:], prefixOf(id)+f.path)
		copy(h[100:], "0000644\x00")
		copy(h[124:], fmt.Sprintf("%011o\x0010461020230\x00", len(f.text)))
		h[156] = '0'
		copy(h[257:], "ustar  ")
		sum := 8 * int(' ')
		for _, c := range h {
			sum += int(c)
		}
		copy(h[148:], fmt.Sprintf("%07o\x00", sum))
		tar = append(append(tar, h[:]...), f.text...)
		tar = append(tar, make([]byte, padding(int64(len(f.text))))...)
	}
	return append(tar, make([]byte, 2*blockSize)...)
}

// pressed makes a .crate of a tar with the encoder fake.
func pressed(id crate.ID, tar []byte) []byte {
	var b bytes.Buffer
	b.Write([]byte("\x1f\x8b\x08\x08\x00\x00\x00\x00\x02\xff" + id.FileName() + "\x00"))
	if err := engine.encode(&b, fake, tar); err != nil {
		panic(err)
	}
	return appendTrailer(b.Bytes(), tar)
}

// given is a version to pack.
type given struct {
	crate.Key
	data []byte
}

func give(id crate.ID, data []byte) given {
	return given{crate.Key{ID: id, Checksum: sha256.Sum256(data)}, data}
}

func (g given) source() Source {
	return Source{g.Key, func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(g.data)), nil }}
}

func sources(all []given) (s []Source) {
	for _, g := range all {
		s = append(s, g.source())
	}
	return s
}

// release returns version n of a crate that changes a little each time.
func release(name string, n int) given {
	id := crate.ID{Name: name, Version: fmt.Sprintf("1.%d.0", n)}
	return give(id, pressed(id, cargoTar(id,
		file{"Cargo.toml", fmt.Sprintf("[package]\nname = %q\nversion = %q\n", name, id.Version)},
		file{"README.md", "# " + name + "\n" + prose(1, 700)},
		file{"src/lib.rs", prose(uint64(n), 300) + prose(7, 2000)},
		file{"src/empty.rs", ""},
	)))
}

func releases(name string, n int) (all []given) {
	for i := range n {
		all = append(all, release(name, i))
	}
	return all
}

// prose returns text that compresses.
func prose(seed uint64, n int) string {
	words := strings.Fields("pub fn struct impl for let mut match where self use crate mod const static trait type unsafe async")
	r := rand.New(rand.NewPCG(seed, 1))
	var b strings.Builder
	for b.Len() < n {
		fmt.Fprintf(&b, "%s_%d ", words[r.IntN(len(words))], r.IntN(40))
	}
	return b.String()[:n]
}

// scramble returns random text over few letters: short matches far away, in which the real
// encoders differ.
func scramble(letters, n int) string {
	r := rand.New(rand.NewPCG(1, 2))
	b := make([]byte, n)
	for i := range b {
		b[i] = byte('A' + r.IntN(letters))
	}
	return string(b)
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// build packs versions that fit into one pack.
func build(t testing.TB, all []given) *Pack {
	t.Helper()
	p, err := Build(context.Background(), sources(all), Options{})
	must(t, err)
	if p.Took != len(all) {
		t.Fatalf("pack took %d of %d", p.Took, len(all))
	}
	return p
}

// segment returns the bytes of a finished segment.
func segment(t testing.TB, packs ...*Pack) []byte {
	t.Helper()
	m := durabletest.NewMem()
	w, err := Create(m, "deep-0001.zst")
	must(t, err)
	for _, p := range packs {
		_, err := w.Append(p)
		must(t, err)
	}
	_, err = w.Finish()
	must(t, err)
	must(t, w.Publish())
	b, err := durable.ReadFile(m, "deep-0001.zst", 1<<30)
	must(t, err)
	return b
}

func open(t testing.TB, b []byte) *Reader {
	t.Helper()
	r, err := Open("deep-0001.zst", bytes.NewReader(b), int64(len(b)))
	must(t, err)
	return r
}

// directories returns the directories of an undamaged segment.
func directories(t testing.TB, r *Reader) (all []*Directory) {
	t.Helper()
	for d, err := range r.Directories() {
		must(t, err)
		all = append(all, d)
	}
	return all
}
