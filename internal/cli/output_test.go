package cli

import "testing"

func TestF15PrintableIsHarmless(t *testing.T) {
	for in, want := range map[string]string{
		"serde 1.0.0: größer": "serde 1.0.0: größer",
		"a\x1b[2Jb\r\x00\xff": "a\ufffd[2Jb\ufffd\ufffd\ufffd",
	} {
		if got := printable(in); got != want {
			t.Errorf("printable(%q) = %q, want %q", in, got, want)
		}
	}
}
