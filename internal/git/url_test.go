package git

import "testing"

const cratesIO = "https://github.com/rust-lang/crates.io-index"

func TestSameRepository(t *testing.T) {
	for _, same := range [][2]string{
		{cratesIO, "https://github.com/rust-lang/crates.io-index.git"},
		{cratesIO, "git@github.com:rust-lang/crates.io-index.git"},
		{cratesIO, "ssh://git@GitHub.com/rust-lang/crates.io-index/"},
		{cratesIO, "https://user:secret@github.com/rust-lang/crates.io-index"},
		{"file:///srv/index", "/srv/index"},
		{"file:///srv/100%25/index.git", "/srv/100%/index"},
	} {
		if !SameRepository(same[0], same[1]) {
			t.Errorf("%s and %s are the same", same[0], same[1])
		}
	}
	for _, other := range []string{"https://github.com/rust-lang/crates.io", "https://gitlab.com/rust-lang/crates.io-index", "/rust-lang/crates.io-index", "", "-x"} {
		if SameRepository(cratesIO, other) {
			t.Errorf("%s is not %s", other, cratesIO)
		}
	}
}

func TestTransport(t *testing.T) {
	for url, want := range map[string]string{
		cratesIO: "https", "http://h/x": "http", "ssh://git@h/x": "ssh", "git@github.com:rust-lang/crates.io-index": "ssh",
		"git://h/x": "git", "file:///x": "file", "ext::sh -c x": "none", "ftp://h/x": "none", "-oProxyCommand=x:y": "none", "x/y:z": "none", "": "none",
	} {
		if got := transport(url); got != want {
			t.Errorf("transport of %q is %s, want %s", url, got, want)
		}
	}
}
