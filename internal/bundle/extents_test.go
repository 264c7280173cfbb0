package bundle

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/rand/v2"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extent"
)

// packed returns bytes like those of a crate: some that repeat, then some that do not
// compress.
func packed(rng *rand.Rand, size int) []byte {
	data := make([]byte, size)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	for range rng.IntN(20) { // repetitions, as between members of a gzip stream
		from, to := rng.IntN(size), rng.IntN(size)
		copy(data[to:], data[from:min(size, from+rng.IntN(60))])
	}
	return data
}

func encoded(t *testing.T, data []byte) (Placement, []byte) {
	t.Helper()
	f, err := Encode(nil, crate.ID{Name: "foo", Version: "1.0.0"}, data)
	if err != nil {
		t.Fatal(err)
	}
	return Placement{FrameSize: int64(len(f.Encoded))}, f.Encoded
}

// Of incompressible bytes, all but some hundred are in the frame in long pieces, and these
// pieces have the crate's bytes.
func TestExtents(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, size := range []int{5000, 60_000, 65_024, 65_536, 84_000, 700_000, 3_000_000} {
		data := packed(rng, size)
		at, frame := encoded(t, data)
		at.Offset = 1000
		file := bytes.NewReader(append(make([]byte, 1000), frame...))
		r := OpenKnown(file, file.Size())
		c, err := r.OpenMember(at)
		if err != nil {
			t.Fatal(err)
		}
		all := r.Extents(at, c)
		if all == nil && size < 10_000 {
			continue // repetitions may leave no long piece
		}
		var kept int64
		for _, e := range all {
			kept += int64(len(e.Data))
		}
		got, err := io.ReadAll(extent.NewReader(file, all, int64(size)))
		if err != nil || !bytes.Equal(got, data) || kept > mostBeside {
			t.Errorf("%d bytes: %d pieces, %d of the bytes beside the file; read %d bytes, %v", size, len(all), kept, len(got), err)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// Extents returns nil for bytes that compress.
func TestNoExtents(t *testing.T) {
	for name, data := range map[string][]byte{
		"empty": {}, "short": []byte("short"), "zeros": make([]byte, 500_000),
		"text": bytes.Repeat([]byte("no crate is like this, and this is like no crate: "), 5000),
	} {
		at, frame := encoded(t, data)
		r := OpenKnown(bytes.NewReader(frame), int64(len(frame)))
		c, err := r.OpenMember(at)
		if err != nil {
			t.Fatal(err)
		}
		if all := r.Extents(at, c); all != nil {
			t.Errorf("%s: %v", name, all)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
}

// FuzzExtents: whatever a frame contains, the pieces found in it have the crate's bytes.
func FuzzExtents(f *testing.F) {
	rng := rand.New(rand.NewPCG(3, 4))
	data := packed(rng, 9000)
	frame, err := Encode(nil, crate.ID{Name: "foo", Version: "1.0.0"}, data)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(uint16(0), []byte{})
	f.Add(uint16(7), []byte{0, 0, 0, 1})
	f.Add(uint16(10), []byte{0xff})
	f.Fuzz(func(t *testing.T, at uint16, patch []byte) {
		good := OpenKnown(bytes.NewReader(frame.Encoded), int64(len(frame.Encoded)))
		p := Placement{FrameSize: int64(len(frame.Encoded))}
		c, err := good.OpenMember(p)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		bad := bytes.Clone(frame.Encoded)
		copy(bad[min(int(at), len(bad)):], patch)
		all := OpenKnown(bytes.NewReader(bad), int64(len(bad))).Extents(p, c)
		if all == nil {
			return
		}
		got, err := io.ReadAll(extent.NewReader(bytes.NewReader(bad), all, c.Size()))
		if err != nil || sha256.Sum256(got) != sha256.Sum256(data) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}
