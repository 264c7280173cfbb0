package cratefile

import (
	"archive/tar"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// A crate file that is itself large may unpack to 20 times its size.
func TestUnpackedLimitGrowsWithTheCrate(t *testing.T) {
	a := archive{limit: limitOf(100 << 20)}
	if err := a.count(&tar.Header{Typeflag: tar.TypeReg, Size: 1 << 30}); err != nil {
		t.Error(err)
	}
	if err := a.count(&tar.Header{Typeflag: tar.TypeReg, Size: 1 << 62}); err == nil {
		t.Error("a sparse file of any size is taken")
	}
}

// Path accepts the regular files in the only folder, under names that look like what they
// are.
func TestPath(t *testing.T) {
	id := crate.ID{Name: "demo", Version: "1.0.0+x"}
	for name, want := range map[string]string{
		"demo-1.0.0+x/src/lib.rs":                        "src/lib.rs",
		"demo-1.0.0+x/Grüße 世界.md":                       "Grüße 世界.md",
		"demo-1.0.0+x/":                                  "",
		"demo-1.0.0+x/.":                                 "",
		"demo-1.0.0+x/../../etc/passwd":                  "",
		"demo-1.0.0+x//etc/passwd":                       "",
		"demo-1.0.0+x/a//b":                              "",
		"demo-1.0.0+x/a/./b":                             "",
		"demo-1.0.0/src/lib.rs":                          "",
		"/etc/passwd":                                    "",
		"demo-1.0.0+x/a\x00b":                            "",
		"demo-1.0.0+x/a\nb":                              "",
		"demo-1.0.0+x/a\u202egnp.exe":                    "", // displayed from right to left
		"demo-1.0.0+x/a\u200bb":                          "", // zero width
		"demo-1.0.0+x/\xff":                              "",
		"demo-1.0.0+x/" + strings.Repeat("a", MaxPath+1): "",
	} {
		got, ok := Path(id, &tar.Header{Name: name, Typeflag: tar.TypeReg})
		if ok != (want != "") || ok && got != want {
			t.Errorf("%q: %q, %v, want %q", name, got, ok, want)
		}
	}
	if got, ok := Path(id, &tar.Header{Name: "demo-1.0.0+x/a", Typeflag: tar.TypeSymlink}); ok {
		t.Errorf("a link is shown: %q", got)
	}
}
