package semver

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// golden is what the Rust crate says: see testdata/golden/main.rs.
type golden struct {
	versions           []string // ascending
	badVersions        []string
	reqs, bits, badReq []string // bits of reqs[i]: whether it matches each version
}

func readGolden(t testing.TB) (g golden) {
	t.Helper()
	data, err := os.ReadFile("testdata/golden/golden.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		kind, rest, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		quoted, err := strconv.QuotedPrefix(rest)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		text, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		switch kind {
		case "version":
			g.versions = append(g.versions, text)
		case "bad-version":
			g.badVersions = append(g.badVersions, text)
		case "req":
			g.reqs, g.bits = append(g.reqs, text), append(g.bits, strings.TrimSpace(rest[len(quoted):]))
		case "bad-req":
			g.badReq = append(g.badReq, text)
		default:
			t.Fatalf("unknown line %q", line)
		}
	}
	return g
}

func mustParse(t testing.TB, s string) Version {
	t.Helper()
	v, err := Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestVersionsAsRust: the same are versions, and their order is the same.
func TestVersionsAsRust(t *testing.T) {
	g := readGolden(t)
	if len(g.versions) < 70 || len(g.badVersions) < 25 {
		t.Fatalf("%d versions and %d bad ones: is the table whole?", len(g.versions), len(g.badVersions))
	}
	var all []Version
	for _, s := range g.versions {
		v := mustParse(t, s)
		if v.String() != s {
			t.Errorf("%q is written %q", s, v)
		}
		all = append(all, v)
	}
	for i, v := range all {
		for j, w := range all {
			want := 0
			if i < j {
				want = -1
			} else if i > j {
				want = 1
			}
			if got := v.Compare(w); got != want {
				t.Errorf("%s compared with %s is %d, want %d", v, w, got, want)
			}
		}
	}
	for _, s := range g.badVersions {
		if v, err := Parse(s); err == nil {
			t.Errorf("%q was read as %s", s, v)
		}
	}
}

// TestRequirementsAsRust: the same are requirements, and match the same.
func TestRequirementsAsRust(t *testing.T) {
	g := readGolden(t)
	if len(g.reqs) < 200 || len(g.badReq) < 40 {
		t.Fatalf("%d requirements and %d bad ones: is the table whole?", len(g.reqs), len(g.badReq))
	}
	for i, s := range g.reqs {
		r, err := ParseReq(s)
		if err != nil {
			t.Error(err)
			continue
		}
		for j, version := range g.versions {
			want := g.bits[i][j] == '1'
			if got := r.Matches(mustParse(t, version)); got != want {
				t.Errorf("%q matches %s: %t, want %t", s, version, got, want)
			}
		}
	}
	for _, s := range g.badReq {
		if _, err := ParseReq(s); err == nil {
			t.Errorf("%q was read as a requirement", s)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"1.2.3", "1.0.0-alpha.1+b.01", "18446744073709551616.0.0", "1.0.0-é"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		v, err := Parse(s)
		if err != nil {
			return
		}
		if v.String() != s {
			t.Errorf("%q is written %q", s, v)
		}
		r, err := ParseReq("=" + s)
		if err != nil || !r.Matches(v) {
			t.Errorf("=%s does not match %s (%v)", s, s, err)
		}
	})
}

// FuzzParseReq: the releases that match a requirement have no gaps. The closure
// relies on it: of what several requirements have in common, the newest is then
// the newest of one of them.
func FuzzParseReq(f *testing.F) {
	for _, s := range []string{"*", "^1.2.3-alpha, <2", ">= 1.*", "~0.0.3", "1.x.X"} {
		f.Add(s, uint64(1), uint64(2), uint64(3), uint64(4))
	}
	f.Fuzz(func(t *testing.T, s string, major, minor, patch, step uint64) {
		r, err := ParseReq(s)
		if err != nil {
			return
		}
		low := Version{Major: major, Minor: minor, Patch: patch}
		between := []Version{
			{Major: major, Minor: minor, Patch: patch + step%3}, {Major: major, Minor: minor + step%2},
			{Major: major + step%2, Minor: minor},
		}
		for _, v := range between {
			for _, high := range between {
				if low.Compare(v) < 0 && v.Compare(high) < 0 && r.Matches(low) && r.Matches(high) && !r.Matches(v) {
					t.Errorf("%q matches %s and %s, but not %s", s, low, high, v)
				}
			}
		}
	})
}

// What keeps versions away takes pre-releases by their place, and never less than cargo.
func TestIncludes(t *testing.T) {
	for _, c := range []struct {
		req, version string
		want         bool
	}{
		{"*", "1.0.0-rc.1", true},
		{"<1.2", "1.2.0-rc.1", true},
		{"<1.2", "1.2.0", false},
		{"<1.2.0", "1.2.0-rc.1", true},
		{"<=1.2", "1.2.9-rc.1", true},
		{">1.2", "1.2.9", false},
		{">1.2", "1.3.0-rc.1", true},
		{">=1.2", "1.1.9-rc.1", false},
		{">=1.2.0", "1.2.0-rc.1", false},
		{"=1.2", "1.2.9-rc.1", true},
		{"=1.2.0", "1.2.0-rc.1", false},
		{"^1.2", "1.9.0-rc.1", true},
		{"^1.2", "2.0.0-rc.1", false},
		{"~1.2", "1.3.0-rc.1", false},
		{">=1.0, <2.0.0", "1.5.0-rc.1+b", true},
	} {
		req, err := ParseReq(c.req)
		if err != nil {
			t.Fatal(err)
		}
		v, err := Parse(c.version)
		if err != nil {
			t.Fatal(err)
		}
		if got := req.Includes(v); got != c.want || req.Matches(v) && !got {
			t.Errorf("%s includes %s: %v, want %v", c.req, c.version, got, c.want)
		}
	}
}
