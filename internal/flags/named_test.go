package flags

import "testing"

func TestNamedFile(t *testing.T) {
	for arg, want := range map[string][2]string{
		"a.toml":        {"", "a.toml"},
		"team=a.toml":   {"team", "a.toml"},
		"/a=b/p.toml":   {"", "/a=b/p.toml"},
		`c:\x=y\p.toml`: {"", `c:\x=y\p.toml`},
		"team=":         {"team", ""},
	} {
		if name, file := NamedFile(arg); name != want[0] || file != want[1] {
			t.Errorf("%s: %q, %q", arg, name, file)
		}
	}
}
