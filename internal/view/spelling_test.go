package view

import "testing"

func TestHolds(t *testing.T) {
	n := &names{list: []name{{"foo-bar", "foo-bar"}, {"foo-bar", "foo_bar"}, {"serde", "Serde"}, {"x-y", "x-y"}}}
	for crate, want := range map[string]bool{
		"foo-bar": true, "foo_bar": true, "serde": true, "SERDE": true, "x-y": true,
		"x_y": false, "serd": false, "serdes": false, "": false, "zzz": false,
	} {
		if got := n.hold(crate); got != want {
			t.Errorf("hold(%q) = %t, want %t", crate, got, want)
		}
	}
}
