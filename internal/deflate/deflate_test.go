package deflate

import (
	"bufio"
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
)

// goldenSizes are the sizes of the inputs whose streams are pinned: one block, several blocks,
// and more than a window.
var goldenSizes = []int{1000, 40000, 110000}

// TestStreamsAreForEver checks that what was rebuilt once can always be rebuilt. The hashes
// are of streams that the originals make, too (TestAllAreTheirOriginals). They never change: a
// changed output requires a new encoder.
func TestStreamsAreForEver(t *testing.T) {
	pinned := readPinned(t)
	for _, kind := range kinds {
		for _, size := range goldenSizes {
			r := random(size)
			src := kind.make(&r, size)
			for e := range encoders {
				var stream bytes.Buffer
				if err := Encode(&stream, e, src); err != nil {
					t.Fatal(err)
				}
				input := fmt.Sprintf("%d %s %d", e, strings.ReplaceAll(kind.name, " ", "-"), size)
				if got := fmt.Sprintf("%x", sha256.Sum256(stream.Bytes())); got != pinned[input] {
					t.Errorf("the stream that %s makes has another hash: %s %s", e, input, got)
				}
				inflated, err := io.ReadAll(flate.NewReader(&stream))
				if err != nil || !bytes.Equal(inflated, src) {
					t.Errorf("%s: the stream of %s gives back %d bytes, %v", e, input, len(inflated), err)
				}
			}
		}
	}
}

// TestShortStreamsAreForEver checks inputs that are short, or made for a purpose: the limits
// between kinds of blocks, and miniz's longest match.
func TestShortStreamsAreForEver(t *testing.T) {
	pinned := readPinned(t)
	for e := range encoders {
		all := sha256.New()
		for _, src := range shortInputs() {
			if err := Encode(all, e, src); err != nil {
				t.Fatal(err)
			}
		}
		if got := fmt.Sprintf("%x", all.Sum(nil)); got != pinned[fmt.Sprintf("%d short 0", e)] {
			t.Errorf("the streams that %s makes have another hash: %d short 0 %s", e, e, got)
		}
	}
}

// readPinned reads lines of encoder, kind, size and hash.
func readPinned(t *testing.T) map[string]string {
	t.Helper()
	f, err := os.Open("testdata/streams.sha256")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	pinned := map[string]string{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		at := strings.LastIndexByte(lines.Text(), ' ')
		pinned[lines.Text()[:at]] = lines.Text()[at+1:]
	}
	return pinned
}

// TestEncodersDiffer checks that any two encoders differ on some input, so that each is
// needed.
func TestEncodersDiffer(t *testing.T) {
	pinned := readPinned(t)
	for a := range encoders {
		for b := range encoders {
			differ := a == b
			for input, hash := range pinned {
				if kind, ok := strings.CutPrefix(input, fmt.Sprintf("%d ", a)); ok {
					differ = differ || hash != pinned[fmt.Sprintf("%d %s", b, kind)]
				}
			}
			if !differ {
				t.Errorf("%s and %s make the same of all inputs", a, b)
			}
		}
	}
}

// TestErrorOfTheWriterEnds checks that an error of the writer ends an encoder.
func TestErrorOfTheWriterEnds(t *testing.T) {
	r := random(1)
	src := noise(&r, 1<<20)
	want := errors.New("enough")
	for e := range encoders {
		w := &pieces{err: want}
		if err := Encode(w, e, src); !errors.Is(err, want) {
			t.Errorf("%s: %v", e, err)
		}
		if w.n != 1 || w.most > 64<<10 {
			t.Errorf("%s went on for %d pieces, one of %d bytes", e, w.n, w.most)
		}
	}
}

// A pieces counts its writes and refuses them.
type pieces struct {
	err     error
	n, most int
}

func (p *pieces) Write(b []byte) (int, error) {
	p.n++
	p.most = max(p.most, len(b))
	return 0, p.err
}

func TestUnknownEncoder(t *testing.T) {
	err := Encode(io.Discard, 99, nil)
	if want := "encoding as encoder 99: this program is too old for it"; err == nil || err.Error() != want {
		t.Errorf("%v, not %s", err, want)
	}
	if Encoder(99).Known() || !Zlib9Mem8.Known() {
		t.Error("encoder 99 is known, or zlib is not")
	}
}

func BenchmarkEncode(b *testing.B) {
	r := random(1)
	src := kinds[8].make(&r, 1<<20)
	for e := range encoders {
		b.Run(e.String(), func(b *testing.B) {
			b.SetBytes(int64(len(src)))
			b.ReportAllocs()
			for b.Loop() {
				if err := Encode(io.Discard, e, src); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
