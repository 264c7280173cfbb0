package recent

import "testing"

// There are never more bytes than it may have; what is asked for all the time stays, what
// was not asked for lately goes, and what is longer than half is not taken.
func TestBytesAreBounded(t *testing.T) {
	b := Bytes[int]{Most: 1000}
	for n := range 300 {
		b.Put(n, make([]byte, 1+n%50))
		b.Put(n, make([]byte, 1+n%50))
		if b.Get(0) == nil {
			t.Fatalf("after %d: forgotten, though asked for all the time", n)
		}
		all := 0
		for _, m := range []map[int][]byte{b.fresh, b.old} {
			for _, data := range m {
				all += len(data)
			}
		}
		if all > 1000 {
			t.Fatalf("after %d: %d bytes are remembered", n, all)
		}
	}
	if b.Get(1) != nil {
		t.Error("what was asked for long ago is remembered")
	}
	if data := b.Get(299); len(data) != 50 {
		t.Errorf("of the last one %d bytes are remembered", len(data))
	}
	b.Put(1000, make([]byte, 501))
	if b.Get(1000) != nil || b.Get(299) == nil {
		t.Error("more than half of all it may have was taken for one")
	}
}
