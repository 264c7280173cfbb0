package crate

import (
	"io"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestLoosePath(t *testing.T) {
	for _, tt := range []struct{ name, version, want string }{
		{"a", "1.0.0", "a/a-1.0.0.crate"},
		{"ab", "1.0.0", "ab/ab-1.0.0.crate"},
		{"abc", "1.0.0", "abc/abc-1.0.0.crate"},
		{"serde", "1.0.0", "s/er/serde-1.0.0.crate"},
		{"1serde", "0.1.0", "1/se/1serde-0.1.0.crate"},
		{"a-bc", "0.1.0", "a-/bc/a-bc-0.1.0.crate"},
		{"1-bc", "0.1.0", "1/-b/1-bc-0.1.0.crate"},
		{"4-bc", "0.1.0", "4-/bc/4-bc-0.1.0.crate"},
		{"MyCrate", "0.1.0", "M/yC/MyCrate-0.1.0.crate"},
		{"qpl", "0.0.1+5", "qpl/qpl-0.0.1+5.crate"},
		{"nul", "1.0.0", "nul_/nul-1.0.0.crate"}, // A20
		{"CoN", "1.0.0", "CoN_/CoN-1.0.0.crate"},
		{"com1", "1.0.0", "c/om/com1-1.0.0.crate"},
	} {
		id := ID{tt.name, tt.version}
		if got := id.LoosePath(); got != tt.want {
			t.Errorf("LoosePath(%v) = %q, want %q", id, got, tt.want)
		}
	}
}

func TestIndexPath(t *testing.T) {
	for name, want := range map[string]string{
		"a": "1/a", "Ab": "2/ab", "aBc": "3/a/abc", "serde": "se/rd/serde", "Inflector": "in/fl/inflector",
	} {
		if got := IndexPath(name); got != want {
			t.Errorf("IndexPath(%q) = %q, want %q", name, got, want)
		}
		if !CheckIndexPath(want) {
			t.Errorf("CheckIndexPath(%q) = false", want)
		}
	}
	for _, p := range []string{ // A16
		"README.md", "config.json", ".git", "1/ab", "se/rd/serde~", "se/rd/.serde.swp", "se/xx/serde",
		"3/b/abc", "se/rd/Serde", "se/rd", "/se/rd/serde", "se/rd/serde/", "", ".", "1/..",
	} {
		if CheckIndexPath(p) {
			t.Errorf("CheckIndexPath(%q) = true", p)
		}
	}
}

func TestURLPath(t *testing.T) {
	if got, want := (ID{"qpl", "0.0.1-rc.1+a.b"}).URLPath(), "qpl/qpl-0.0.1-rc.1%2Ba.b.crate"; got != want {
		t.Errorf("URLPath = %q, want %q", got, want)
	}
}

// Rows A1 and A2 of the fault catalogue, as far as the grammar is concerned.
func TestCheck(t *testing.T) {
	for _, name := range []string{
		"", ".", "..", "....", "../../etc", "/etc", `a\b`, "c:x", "%2e%2e", "-a", "a b", "a\x00", "a\n", "é",
		"a.b", "a/b", "a+b", strings.Repeat("a", 101),
	} {
		if CheckName(name) == nil {
			t.Errorf("CheckName(%q) = nil", name)
		}
	}
	for _, name := range []string{"a", "_a", "A-b_c", "1", strings.Repeat("a", 100)} {
		if err := CheckName(name); err != nil {
			t.Errorf("CheckName(%q): %v", name, err)
		}
	}
	for _, v := range []string{
		"", "1", "1.2", "v1.2.3", "1.2.3.4", "01.2.3", "1.2.3-01", "1.2.3-", "1.2.3+", "1.2.3/../x",
		`1.2.3\x`, "1.2.3 ", "1.2.3\x00", "1.2.3-a..b", "..", "1.2.3+a+b", "1.2.3-" + strings.Repeat("a", 150),
	} {
		if CheckVersion(v) == nil {
			t.Errorf("CheckVersion(%q) = nil", v)
		}
	}
	for _, v := range []string{"0.0.0", "1.2.3-alpha.1", "1.2.3-0a", "1.2.3+01", "1.2.3-x-y.z+b-1.2", "10.20.30"} {
		if err := CheckVersion(v); err != nil {
			t.Errorf("CheckVersion(%q): %v", v, err)
		}
	}
}

// A22: the suffixes of file names must fit, too.
func TestCheckFileName(t *testing.T) {
	name, version := strings.Repeat("a", MaxName), "1.0.0-"+strings.Repeat("9a", 54)
	if err := (ID{name, version}).Check(); err != nil {
		t.Error(err)
	}
	err := (ID{name, version + "b"}).Check()
	if err == nil || !strings.HasSuffix(err.Error(), "has 222 bytes, want at most 221") {
		t.Error(err)
	}
}

// A24: paths where cargo looks for a crate are told apart from others.
func TestIsIndexPath(t *testing.T) {
	for _, name := range []string{strings.Repeat("n", 101), "-abc", "äöü", "ééé-é"} {
		if p := IndexPath(name); !IsIndexPath(p) || CheckIndexPath(p) {
			t.Errorf("%q: IsIndexPath %t, CheckIndexPath %t", p, IsIndexPath(p), CheckIndexPath(p))
		}
	}
	for _, p := range []string{
		"", ".", "/", "README.md", "config.json", "se/rd/serde~", "se/rd/.serde.swp", "se/xx/serde", "se/rd/Serde", "se/rd", "2/\xff\xff", "1/..",
	} {
		if IsIndexPath(p) {
			t.Errorf("IsIndexPath(%q) = true", p)
		}
	}
}

func TestParseChecksum(t *testing.T) {
	lower := strings.Repeat("0123456789abcdef", 4)
	for _, s := range []string{lower, strings.ToUpper(lower)} { // A5
		sum, err := ParseChecksum(s)
		if err != nil || sum.String() != lower {
			t.Errorf("ParseChecksum(%q) = %v, %v", s, sum, err)
		}
	}
	for _, s := range []string{"", lower[1:], lower + "0", "g" + lower[1:]} {
		if _, err := ParseChecksum(s); err == nil {
			t.Errorf("ParseChecksum(%q) = nil error", s)
		}
	}
}

func FuzzParseFileName(f *testing.F) {
	for _, s := range []string{
		"serde-1.0.0.crate", "a-b-1.2.3-x-y.1+z.crate", "qpl-0.0.1+5.crate", "x.crate", "-1.0.0.crate", "a-1-1.0.0.crate",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, base string) {
		id, err := ParseFileName(base)
		if err != nil {
			return
		}
		if id.FileName() != base {
			t.Errorf("ParseFileName(%q) = %v, which is %q", base, id, id.FileName())
		}
		if p := id.LoosePath(); strings.Contains(p, "..") && !strings.Contains(base, "..") || strings.ContainsAny(p, "\\\x00 ") {
			t.Errorf("LoosePath(%v) = %q", id, p)
		}
	})
}

func TestParseRepublishedPath(t *testing.T) {
	key := strings.Repeat("0a", 16)
	for _, id := range []ID{
		{"serde", "1.0.0"}, {"a", "1.0.0-rc.1+b.2"}, {"aux", "0.1.0"}, {"a-1", "1.0.0"}, {"Foo_bar", "1.2.3"},
		{strings.Repeat("n", MaxName), "1.0.0-" + strings.Repeat("v", maxFileName-MaxName-len("-1.0.0-.crate"))},
	} {
		p := id.RepublishedPath(key)
		if got, gotKey, err := ParseRepublishedPath(p); got != id || gotKey != key || err != nil {
			t.Errorf("ParseRepublishedPath(%q) = %v, %q, %v", p, got, gotKey, err)
		}
		if n := len(path.Base(p)); n > 255 {
			t.Errorf("%s: no file system takes a name of %d bytes", id, n)
		}
	}
	for _, p := range []string{
		"", "republished", "republished/s/er/serde-1.0.0.crate", "s/er/serde-1.0.0." + key + ".crate",
		"republished/s/er/serde-1.0.0." + strings.ToUpper(key) + ".crate", "republished/s/er/serde-1.0.0." + key[1:] + ".crate",
		"republished/x/er/serde-1.0.0." + key + ".crate", "republished/s/er/../serde-1.0.0." + key + ".crate",
		"republished/s/er/serde-1." + key + ".crate", "republished/s/er/serde-1.0.0." + key,
	} {
		if id, key, err := ParseRepublishedPath(p); err == nil || id != (ID{}) || key != "" {
			t.Errorf("ParseRepublishedPath(%q) = %v, %q, %v", p, id, key, err)
		}
	}
}

func FuzzParseRepublishedPath(f *testing.F) {
	key := strings.Repeat("0a", 16)
	for _, s := range []string{"republished/s/er/serde-1.0.0." + key + ".crate", "republished/aux_/aux-1.0.0." + key + ".crate", key + ".crate", "a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, p string) {
		if id, key, err := ParseRepublishedPath(p); err == nil && (id.RepublishedPath(key) != p || id.Check() != nil) {
			t.Errorf("ParseRepublishedPath(%q) = %v, %q", p, id, key)
		}
	})
}

func TestIsPrerelease(t *testing.T) {
	if IsPrerelease("1.0.0+rc-1") || !IsPrerelease("1.0.0-rc.1+x") {
		t.Error("IsPrerelease takes build metadata for a pre-release, or does not see one")
	}
}

// A checksum survives a round trip through its binary form, which accepts nothing else.
func TestChecksumBinary(t *testing.T) {
	want := Checksum{1, 31: 2}
	b, err := want.MarshalBinary()
	var got Checksum
	if err != nil || got.UnmarshalBinary(b) != nil || got != want {
		t.Errorf("%s, %v; want %s", got, err, want)
	}
	for _, bad := range [][]byte{nil, b[:31], append(b, 0)} {
		if got.UnmarshalBinary(bad) == nil {
			t.Errorf("%d bytes are taken", len(bad))
		}
	}
}

// Verify hashes millions of small files: allocating a buffer for each would dominate.
func TestHashKeepsItsBuffer(t *testing.T) {
	name := filepath.Join(t.TempDir(), "crate")
	if err := os.WriteFile(name, make([]byte, 4000), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var before, after runtime.MemStats
	const times = 100
	runtime.ReadMemStats(&before)
	for range times {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if _, n, err := Hash(f); err != nil || n != 4000 {
			t.Fatal(n, err)
		}
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / times; each > 20<<10 {
		t.Errorf("%d bytes are allocated for a crate of 4000", each)
	}
}
