package importtree

import (
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// The paths of real trees. Those of panamax, romt and v1.1.0 are as these programs made
// them from a registry on this machine (make trees); of get-all-crates, which has no other
// host than that of crates.io, as its source says.
func TestNamed(t *testing.T) {
	for path, want := range map[string]string{
		"crates/se/rd/serde/1.0.0/serde-1.0.0.crate":              "serde 1.0.0", // panamax
		"crates/se/rd/serde/serde-1.0.0.crate":                    "serde 1.0.0", // romt, get-all-crates
		"s/er/serde-1.0.0.crate":                                  "serde 1.0.0", // v1.1.0
		"index.crates.io-1949cf8c6b5b557f/foo-1-0.1.0-rc.1.crate": "foo-1 0.1.0-rc.1",
		"serde-1.0.0.crate":                                       "serde 1.0.0",
		"qpl/qpl-0.0.1+5.crate":                                   "qpl 0.0.1+5",
		"qpl/qpl-0.0.1%2B5.crate":                                 "qpl 0.0.1+5",
		"qpl/qpl-0.0.1 5.crate":                                   "qpl 0.0.1+5", // for S3
		"a-b-c/a-b-c-1.2.3-x-y.1.crate":                           "a-b-c 1.2.3-x-y.1",
		"api/v1/crates/serde/1.0.0/download":                      "serde 1.0.0",
		"serde/1.0.0/crate":                                       "serde 1.0.0",
		"qpl/0.0.1%2B5/download":                                  "qpl 0.0.1+5",
		"serde/1.0.0.crate":                                       "serde 1.0.0",
		"1.0.0.crate":                                             "",
		"download":                                                "",
		"a/download":                                              "",
		"serde-1.0.0.crate.part":                                  "",
		"serde-1.0.crate":                                         "",
		"serde.crate":                                             "",
		"se/rd/serde":                                             "",
		"..-1.0.0.crate":                                          "",
		"serde/not-a-version/download":                            "",
		strings.Repeat("a", 300) + "-1.0.0.crate":                 "",
		"3b/3b0a5d0d5e6b3b0a5d0d5e6b3b0a5d0d5e6b3b0a5d0d5e6b3b0a5d": "",
	} {
		id, ok := Named(path)
		if got := id.String(); ok != (want != "") || ok && got != want {
			t.Errorf("Named(%s) = %s, %t, want %q", path, got, ok, want)
		}
	}
}

// However a path looks, no more than one way of splitting a file name makes a version of
// it, and Named finds that.
func FuzzNamed(f *testing.F) {
	for _, path := range []string{"foo-1-0.1.0.crate", "foo-1-0.1.0-1-2.0.0.crate", "a/1.0.0+b-1.0.0.crate", "a/1.0.0/download", "x/y", "-1.0.0.crate", "%2B-1.0.0%2b.crate"} {
		f.Add(path)
	}
	f.Fuzz(func(t *testing.T, path string) {
		id, ok := Named(path)
		if ok && id.Check() != nil {
			t.Fatalf("Named(%q) = %v: %v", path, id, id.Check())
		}
		base := path[strings.LastIndexByte(path, '/')+1:]
		stem, isCrate := strings.CutSuffix(base, crate.Ext)
		if !isCrate || plus.Replace(base) != base {
			return
		}
		var all []crate.ID
		for i := range stem {
			if split := (crate.ID{Name: stem[:i], Version: stem[i+1:]}); stem[i] == '-' && split.Check() == nil {
				all = append(all, split)
			}
		}
		if len(all) > 1 || len(all) == 1 && (!ok || id != all[0]) {
			t.Fatalf("%q can be any of %v, Named says %v, %t", path, all, id, ok)
		}
	})
}
