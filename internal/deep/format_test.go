package deep

import (
	"bytes"
	"context"
	"testing"
)

func TestRoundTrip(t *testing.T) {
	fakeEngine(t)
	serde, libc := releases("serde", 20), releases("libc", 3)
	b := segment(t, build(t, serde), build(t, libc))
	r := open(t, b)
	var got []given
	for _, d := range directories(t, r) {
		for n, v := range d.Versions {
			data, err := r.RebuildKey(context.Background(), d.Placement, n, v.Key)
			must(t, err)
			got = append(got, given{v.Key, data})
			if v.Encoder != fake || v.Reason != NoReason || v.Size != int64(len(data)) {
				t.Errorf("%s: encoder %d, %s, %d bytes", v.ID, v.Encoder, v.Reason, v.Size)
			}
		}
	}
	want := append(serde, libc...)
	if len(got) != len(want) {
		t.Fatalf("%d versions, want %d", len(got), len(want))
	}
	for n := range want {
		if got[n].Key != want[n].Key || !bytes.Equal(got[n].data, want[n].data) {
			t.Errorf("version %d is %s, want %s", n, got[n].ID, want[n].ID)
		}
	}
	var all int
	for _, g := range want {
		all += len(g.data)
	}
	if len(b) > all/2 {
		t.Errorf("segment has %d bytes for %d", len(b), all)
	}
}
