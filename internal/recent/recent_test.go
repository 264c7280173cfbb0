package recent

import "testing"

// What was not asked for lately is forgotten, and what is asked for all the time is not.
func TestBounded(t *testing.T) {
	m := Map[int, int]{Most: 100}
	for n := range 300 {
		m.Put(n, n)
		if v, ok := m.Get(0); !ok || v != 0 {
			t.Fatalf("after %d: forgotten, though asked for all the time", n)
		}
		m.Peek(1)
	}
	if n := m.Len(); n > 100 {
		t.Errorf("%d are remembered", n)
	}
	if _, ok := m.Get(1); ok {
		t.Error("what was looked at by somebody who does not count is remembered")
	}
	m.Change(299, func(v *int) { *v++ })
	m.Change(1000, func(v *int) { *v = 7 })
	if a, _ := m.Get(299); a != 300 {
		t.Errorf("changed to %d", a)
	}
	if b, _ := m.Get(1000); b != 7 {
		t.Errorf("made to %d", b)
	}
}
