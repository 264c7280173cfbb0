package human

import "testing"

func TestF15PrintableIsHarmless(t *testing.T) {
	for in, want := range map[string]string{
		"serde 1.0.0: größer": "serde 1.0.0: größer",
		"a\x1b[2Jb\r\x00\xff": "a\ufffd[2Jb\ufffd\ufffd\ufffd",
	} {
		if got := Printable(in); got != want {
			t.Errorf("Printable(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestPlural(t *testing.T) {
	for n, want := range map[int64]string{0: "0 bundles", 1: "1 bundle", 2: "2 bundles", 1000: "1,000 bundles"} {
		if got := Plural(n, "bundle"); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
