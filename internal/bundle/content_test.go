package bundle

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// openOne opens the only member of a bundle.
func openOne(t testing.TB, it item) *Content {
	t.Helper()
	b, _ := build(t, []item{it})
	r, err := Open(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	c, err := r.OpenMember(placements(t, b)[0])
	must(t, err)
	return c
}

// A member, small or large, can be read in any order.
func TestContentIsAFile(t *testing.T) {
	for _, size := range []int{0, 1000, smallContent + 12345} {
		it := item{ID: crate.ID{Name: "some", Version: "1.0.0"}, Data: noise(size, 1)}
		c := openOne(t, it)
		if size < 10_000 {
			if err := iotest.TestReader(c, it.Data); err != nil {
				t.Errorf("%d bytes: %v", size, err)
			}
		}
		var wg sync.WaitGroup
		for i := range 8 {
			wg.Go(func() {
				rnd := rand.New(rand.NewPCG(1, uint64(i)))
				for range 5 {
					off := rnd.IntN(size + 1)
					p := make([]byte, rnd.IntN(size-off+1))
					if n, err := c.ReadAt(p, int64(off)); n != len(p) || err != nil && err != io.EOF || !bytes.Equal(p, it.Data[off:off+n]) {
						t.Errorf("ReadAt(%d, %d) = %d, %v", len(p), off, n, err)
					}
				}
			})
		}
		wg.Wait()
		for _, off := range []int64{0, int64(size) / 2, int64(size)} {
			_, err := c.Seek(off-int64(size), io.SeekEnd)
			must(t, err)
			if got, err := io.ReadAll(c); err != nil || !bytes.Equal(got, it.Data[off:]) {
				t.Errorf("%d bytes from %d on: %d, %v", size, off, len(got), err)
			}
		}
		must(t, c.Close())
		if err := c.Close(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("closing again: %v", err)
		}
		if n, err := c.Read(make([]byte, 1)); n != 0 || err == nil {
			t.Errorf("reading after Close: %d, %v", n, err)
		}
	}
}

// A large member is decoded while it is read; damage anywhere in it is an error before the
// last byte.
func TestE4DamageInALargeMember(t *testing.T) {
	it := item{ID: crate.ID{Name: "some", Version: "1.0.0"}, Data: noise(smallContent+12345, 1)}
	b, _ := build(t, []item{it})
	p := placements(t, b)[0]
	offsets := []int64{p.FrameSize - 1, p.FrameSize - 4} // the checksum
	for off := p.Offset; off < p.FrameSize; off += 30_011 {
		offsets = append(offsets, off)
	}
	for _, off := range offsets {
		bad := bytes.Clone(b)
		bad[off] ^= 0x04
		r := &Reader{bytes.NewReader(bad), int64(len(bad))}
		c, err := r.OpenMember(p)
		if err != nil {
			continue
		}
		for range 2 {
			_, err := c.Seek(0, io.SeekStart)
			must(t, err)
			if got, err := io.ReadAll(c); err == nil || errors.Is(err, io.EOF) || int64(len(got)) >= c.Size() {
				t.Fatalf("byte %d is flipped: %d bytes, %v", off, len(got), err)
			}
		}
		must(t, c.Close())
	}
}

// A frame with a correct checksum may still have content that we would not write.
func TestF6PaddingOfALargeMember(t *testing.T) {
	content := tarContent(crate.ID{Name: "some", Version: "1.0.0"}, noise(smallContent+100, 1), nil)
	content[len(content)-1] = 1
	var b bytes.Buffer
	must(t, encodeStream(&b, bytes.NewReader(content), int64(len(content))))
	if got, errs := read(t, hostile(t, b.Bytes()), goodItems); len(got) != len(goodItems) || len(errs) != 2 {
		t.Errorf("members %q, errors %v", got, errs)
	}
}

// A placement comes from a catalog, which may be wrong.
func TestE8WrongPlacements(t *testing.T) {
	b, _ := build(t, items())
	r, err := Open(bytes.NewReader(b), int64(len(b)))
	must(t, err)
	at := placements(t, b)
	size := int64(len(b))
	last := at[len(at)-1]
	for _, p := range []Placement{
		{}, {-1, 100}, {0, -1}, {0, size + 1}, {size, 1}, {size + 1, 1}, {1 << 62, 1 << 62}, {0, 1 << 62}, {1<<63 - 1, 1},
		{0, at[0].FrameSize - 1}, {0, at[0].FrameSize + 1}, {1, at[0].FrameSize}, {0, size},
		{last.Offset + last.FrameSize, int64(len(endFrame()))},
	} {
		if c, err := r.OpenMember(p); err == nil {
			t.Errorf("%+v is %s", p, c.ID())
		}
	}
}

// Contents yields the members that Members yields, large ones through the sink; a sink that
// fails loses only its own bytes.
func TestContents(t *testing.T) {
	big := item{ID: crate.ID{Name: "large", Version: "1.0.0"}, Data: noise(2<<20, 5)}
	want := append(items(), big)
	b, _ := build(t, want)
	r := &Reader{bytes.NewReader(b), int64(len(b))}
	for _, fails := range []bool{false, true} {
		var sunk sunk
		sink := func(id crate.ID, size int64) Keeper {
			if id != big.ID || size != int64(len(big.Data)) {
				t.Errorf("the sink is told of %s, %d bytes", id, size)
			}
			if fails {
				return &refusing{}
			}
			return &sunk
		}
		var got []item
		var kept []*Verified
		for v, err := range r.Contents(sink) {
			must(t, err)
			if v.Checksum != sha256.Sum256(want[len(got)].Data) {
				t.Errorf("%s has checksum %s", v.ID, v.Checksum)
			}
			kept = append(kept, &v)
			got = append(got, item{ID: v.ID, Data: v.Data}) // valid during the walk
		}
		last := &got[len(got)-1]
		if last.Data = sunk.Bytes(); fails {
			last.Data = big.Data
		}
		sameItems(t, "contents", want, got)
		for _, v := range kept {
			v.Release()
			v.Release() // does nothing
		}
	}
}

// sunk is a Keeper in memory.
type sunk struct {
	bytes.Buffer
	dropped bool
}

func (s *sunk) Drop() { s.dropped = true }

type refusing struct{ sunk }

func (*refusing) Write([]byte) (int, error) { return 0, errors.New("no") }

// Members that were verified ahead and are not yielded are dropped: those after the
// consumer stops, and damaged ones.
func TestContentsDropWhatIsNotYielded(t *testing.T) {
	large := func(n int, seed uint64) item {
		return item{ID: crate.ID{Name: "large", Version: fmt.Sprintf("1.0.%d", n)}, Data: noise(2<<20, seed)}
	}
	all := []item{large(0, 1), large(0, 2), large(1, 3), large(2, 4), large(3, 5)}
	b, _ := build(t, all)
	r := &Reader{bytes.NewReader(b), int64(len(b))}
	for m, err := range r.Members() {
		if err == nil && m.ID == all[2].ID {
			b[m.Offset+m.FrameSize-1]++
		}
	}
	var mu sync.Mutex
	sinks := map[*sunk]crate.ID{}
	sink := func(id crate.ID, _ int64) Keeper {
		mu.Lock()
		defer mu.Unlock()
		s := new(sunk)
		sinks[s] = id
		return s
	}
	var yielded []Keeper
	for v, err := range r.Contents(sink) {
		if err != nil {
			continue
		}
		yielded = append(yielded, v.Keeper)
		if v.ID == all[3].ID {
			break
		}
	}
	if len(yielded) != 3 {
		t.Errorf("%d members were yielded, want version 0 with both its bytes, and 2", len(yielded))
	}
	for s, id := range sinks {
		if s.dropped == slices.Contains(yielded, Keeper(s)) {
			t.Errorf("%s: dropped %v", id, s.dropped)
		}
	}
}
