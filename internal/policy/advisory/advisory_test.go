package advisory

import (
	"os"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// Vectors with the scores that the calculator of FIRST gives them.
func TestScore(t *testing.T) {
	for vector, want := range map[string]float64{
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H":                        7.5,
		"CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H":                        9.8,
		"CVSS:3.0/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H":                        10,
		"CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:N/I:L/A:N":                        1.8,
		"CVSS:3.1/AV:N/AC:L/PR:L/UI:R/S:C/C:L/I:L/A:N":                        5.4,
		"CVSS:3.1/AV:P/AC:H/PR:H/UI:R/S:C/C:N/I:N/A:N":                        0,
		"CVSS:3.1/AV:N/AC:H/PR:N/UI:N/S:U/C:H/I:N/A:N":                        5.9,
		"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:H/SI:H/SA:H":     10,
		"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:H/VI:H/VA:H/SC:N/SI:N/SA:N":     9.3,
		"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:L/VI:L/VA:L/SC:N/SI:N/SA:N":     6.9,
		"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:H/SC:N/SI:N/SA:N":     8.7,
		"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:N/SC:N/SI:N/SA:N":     0,
		"CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:H/SC:N/SI:N/SA:N/E:U": 8.7,
	} {
		if got, ok := Score(vector); got != want || !ok {
			t.Errorf("%s: %v, %v, want %v", vector, got, ok, want)
		}
	}
	for _, bad := range []string{
		"", "CVSS:2.0/AV:N", "CVSS:4.0/AV:N/AC:L/AT:N/PR:N/UI:N/VC:N/VI:N/VA:H/SC:N/SI:N", "CVSS:3.1", "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N", "CVSS:3.1/AV:X/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H",
		"CVSS:3.1/AV:N/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:H", "CVSS:3.1/" + strings.Repeat("A", 1000),
	} {
		if got, ok := Score(bad); ok {
			t.Errorf("%s: %v", bad, got)
		}
	}
}

// What cannot be understood is told of, with its path, and costs no other.
func TestProblems(t *testing.T) {
	const good = "```toml\n[advisory]\nid = \"RUSTSEC-2099-0001\"\npackage = \"a\"\ndate = \"2026-01-02\"\n[versions]\npatched = [\">= 1\"]\n```\n# T\n"
	dir := t.TempDir()
	for name, text := range map[string]string{
		"good.md":     good,
		"front.md":    "# no TOML\n",
		"end.md":      "```toml\n[advisory]\n",
		"toml.md":     "```toml\n= 1\n```\n",
		"id.md":       strings.Replace(good, "RUSTSEC-2099-0001", "<script>", 1),
		"name.md":     strings.Replace(good, `"a"`, `"../a"`, 1),
		"date.md":     strings.Replace(good, "01-02", "13-02", 1),
		"versions.md": strings.Replace(good, "[versions]", "[other]", 1),
		"req.md":      strings.Replace(good, ">= 1", ">= 1, >= 2", 1),
		"op.md":       strings.Replace(good, ">= 1", "!= 1", 1),
		"long.md":     good + strings.Repeat("x", maxAdvisory),
	} {
		if err := os.MkdirAll(dir+"/crates/a", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(dir+"/crates/a/"+name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	db, err := Load(t.Context(), []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	if db.Len() != 1 || len(db.Problems) != 10 {
		t.Errorf("%d advisories, problems %v", db.Len(), db.Problems)
	}
	for _, p := range db.Problems {
		if !strings.HasPrefix(p.Path, dir+"/crates/a/") {
			t.Errorf("problem of %s: %v", p.Path, p.Err)
		}
	}
}

// Whatever a file says, reading it ends, and what is read of it can be asked.
func FuzzParse(f *testing.F) {
	versions := []string{"0.0.0", "1.0.0-rc.1", "1.2.3+b", "99999999999999999999.0.0"}
	f.Fuzz(func(t *testing.T, data []byte) {
		all, err := parseOSV(data)
		if err != nil {
			all = nil
		}
		if a, err := parseRustSec(data); err == nil && a != nil {
			all = append(all, a)
		}
		for _, a := range all {
			if err := checkID(a.ID); err != nil {
				t.Error(err)
			}
			for _, text := range versions {
				v, err := semver.Parse(text)
				if err == nil {
					a.Affects(text, &v)
				} else if !a.Affects(text, nil) {
					t.Errorf("%s is not affected by %s", text, a.ID)
				}
			}
		}
	})
}
