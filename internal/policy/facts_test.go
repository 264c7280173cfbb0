package policy

import (
	"strings"
	"testing"
	"time"
)

// One line a case: what advisories say of a version.
func TestJudgeAdvisories(t *testing.T) {
	const (
		both      = "[advisories]\ndatabases = [\"testdata/advisory-db\", \"testdata/osv\"]\n"
		freed     = "advisories: RUSTSEC-2099-0001 (severity high): A session that is resumed reads freed memory"
		abandoned = "advisories: RUSTSEC-2099-0002 (unmaintained): oldssl is not maintained any more"
		malicious = "advisories: RUSTSEC-2099-0003 (malicious): `bad-name` was removed from crates.io for malicious code"
		small     = "advisories: RUSTSEC-2099-0005 (severity low): It is a small fault"
		harmless  = "advisories: MAL-2099-1 (malicious): Malicious code in harmless (crates.io)"
		waiver    = "[[waiver]]\ncrate = \"oldssl\"\nversions = \"^0.9\"\nreason = \"r\"\nby = \"b\"\n"
	)
	for _, c := range []struct{ file, version, want string }{
		{both, "oldssl@0.2.9", "shown"},
		{both, "oldssl@0.3.0", "resolve-only " + freed},
		{both, "oldssl@0.3.0-rc.1", "shown"}, // before 0.3.0, so unaffected
		{both, "OldSSL@0.9.6", "resolve-only " + freed},
		{both, "oldssl@0.9.7", "shown"},
		{both, "oldssl@0.9.7-rc.1", "resolve-only " + freed},
		{both, "oldssl@0.9.99", "shown"},
		{both, "oldssl@0.10.0-rc.1", "resolve-only " + freed},
		{both, "oldssl@0.10.1", "resolve-only " + freed},
		{both, "oldssl@0.10.2", "shown"},
		{both, "oldssl@0.10.2+build", "shown"},
		{both, "oldssl@99999999999999999999.0.0", "resolve-only " + freed}, // beyond 64 bits: cannot be compared
		{both + "informational = [\"unmaintained\"]\n", "oldssl@0.9.7", "resolve-only " + abandoned},
		{both + "hidden = \"denied\"\n", "oldssl@0.3.0", "denied " + freed},
		{both, "bad-name@1.0.0", "denied " + malicious},
		{both, "bad_name@1.0.0", "denied " + malicious},
		{both + "malicious = \"resolve-only\"\n", "bad-name@1.0.0", "resolve-only " + malicious},
		{both, "tiny@0.1.0", "resolve-only " + small},
		{both + "min-severity = \"medium\"\n", "tiny@0.1.0", "shown"},
		{both + "min-severity = \"medium\"\n", "oldssl@0.3.0", "resolve-only " + freed},
		{both, "std@1.0.0", "shown"},
		{both, "harmless@0.3.10", "denied " + harmless},
		{both, "harmless@0.3.11", "shown"},
		{both, "harmless@0.4.0", "denied " + harmless},
		{both, "harmless@0.4.2", "denied " + harmless},
		{both, "harmless@0.4.3-rc.1", "denied " + harmless},
		{both, "harmless@0.4.3", "shown"},
		{both, "harmless@0.5.0-beta", "shown"},
		{both, "harmless@0.5.0-rc.1", "denied " + harmless},
		{both, "harmless@0.5.2", "denied " + harmless},
		{both, "harmless@0.5.3", "shown"},
		{both + waiver + "advisories = [\"RUSTSEC-2099-0001\"]\n", "oldssl@0.9.1", "shown " + freed + " (waived by b)"},
		{both + waiver + "advisories = [\"cve-2099-1000\"]\n", "oldssl@0.9.1", "shown " + freed + " (waived by b)"},
		{both + waiver + "advisories = [\"RUSTSEC-2099-0002\"]\n", "oldssl@0.9.1", "resolve-only " + freed},
		{both + waiver + "rules = [\"advisories\"]\n", "oldssl@0.9.1", "shown " + freed + " (waived by b)"},
		{both + waiver + "rules = [\"advisories\"]\n", "oldssl@0.10.0", "resolve-only " + freed},
		{both + "informational = [\"unmaintained\"]\n" + waiver + "advisories = [\"RUSTSEC-2099-0001\"]\n", "oldssl@0.9.1", "resolve-only " + abandoned},
		{both + "observe = true\n", "bad-name@1.0.0", "shown " + malicious + " (observed)"},
	} {
		p := read(t, c.file)
		if n := len(p.Advisories().Problems); n != 0 {
			t.Fatal(p.Advisories().Problems)
		}
		if got := words(p.Judge(subject(c.version), noon)); got != c.want {
			t.Errorf("%s\n%s: %s\nwant %s", c.file, c.version, got, c.want)
		}
	}
}

// A set of advisories that is not there must not let everything through.
func TestAdvisoriesMustBeThere(t *testing.T) {
	for dir, want := range map[string]string{
		"testdata/none": "no such file or directory",
		"spdx":          "there is none of crates.io: want a clone of RustSec's advisory-db, or a folder of OSV files",
	} {
		f, err := Read(strings.NewReader("[advisories]\ndatabases = [\""+dir+"\"]\n"), "policy.toml")
		if err != nil {
			t.Fatal(err)
		}
		if _, err = f.Policy(t.Context()); err == nil || !strings.Contains(err.Error(), want) && dir == "spdx" {
			t.Errorf("%s: %v, want %s", dir, err, want)
		}
	}
}

func TestJudgeFacts(t *testing.T) {
	const (
		licences = "[licenses]\nallow = [\"MIT\", \"Apache-2.0\"]\n"
		source   = "[repository]\n"
	)
	for _, c := range []struct {
		file  string
		facts *Facts
		want  string
	}{
		{licences, &Facts{License: "MIT/GPL-3.0"}, "shown"},
		{licences, &Facts{License: "GPL-3.0\x1b[2J"}, "resolve-only licenses: licence \"GPL-3.0\\x1b[2J\": it is no expression of SPDX"},
		{licences, &Facts{License: "GPL-3.0"}, "resolve-only licenses: its licence is GPL-3.0, which the policy does not allow"},
		{licences, &Facts{LicenseFile: "LICENSE"}, "resolve-only licenses: its licence is a text in the crate and no expression of SPDX"},
		{licences, &Facts{}, "resolve-only licenses: it has no licence"},
		{licences, nil, "resolve-only licenses: its licence is not known: its Cargo.toml could not be read yet"},
		{licences + "unknown = \"show\"\n", nil, "shown"},
		{licences + "unknown = \"show\"\n", &Facts{License: "who knows"}, "shown"},
		{licences + "unknown = \"show\"\n", &Facts{License: "GPL-3.0"}, "resolve-only licenses: its licence is GPL-3.0, which the policy does not allow"},
		{source, &Facts{Repository: "https://example.com/a/b"}, "shown"},
		{source, &Facts{Repository: "later"}, "resolve-only repository: it names no repository in which its source can be read"},
		{source, &Facts{}, "resolve-only repository: it names no repository in which its source can be read"},
		{source, nil, "resolve-only repository: its repository is not known: its Cargo.toml could not be read yet"},
		{source + "unknown = \"show\"\n", nil, "shown"},
	} {
		p := read(t, c.file)
		s := subject("a@1.0.0")
		s.Facts = c.facts
		if !p.Needs().Facts {
			t.Errorf("%s needs no facts", c.file)
		}
		if got := words(p.Judge(s, noon)); got != c.want {
			t.Errorf("%s\n%+v: %s\nwant %s", c.file, c.facts, got, c.want)
		}
	}
}

func TestJudgeOwners(t *testing.T) {
	changes, err := parseOwners(strings.NewReader("crate,created_at\n" +
		"a,2020-01-01 00:00:00.123456+00\nA,2026-08-10T12:00:00Z\nb,2026-08-19\n"))
	if err != nil {
		t.Fatal(err)
	}
	p := &Policy{owners: &ownerRule{mode{ResolveOnly, false}, 7 * 24 * time.Hour, "", changes}}
	for _, c := range []struct {
		version string
		day     int // of August, of the publication and of the question
		now     int
		want    string
	}{
		{"a@1.0.0", 12, 13, "resolve-only owners: its crate got another owner on 2026-08-10, within 7d of its publication"},
		{"a@1.0.0", 12, 19, "shown"},
		{"a@1.0.0", 9, 13, "resolve-only owners: its crate got another owner on 2026-08-10, within 7d of its publication"},
		{"a@1.0.0", 1, 10, "shown"},
		{"a@1.0.0", 18, 19, "shown"},
		{"b@1.0.0", 19, 20, "shown"}, // its first owner
	} {
		s := subject(c.version)
		s.Published = time.Date(2026, 8, c.day, 12, 0, 0, 0, time.UTC)
		if got := words(p.Judge(s, time.Date(2026, 8, c.now, 12, 0, 0, 0, time.UTC))); got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	undated := subject("a@1.0.0")
	undated.Published = time.Time{}
	for day, want := range map[int]string{
		23: "resolve-only owners: its crate got another owner on 2026-08-10, and it is not known when it was published",
		24: "shown",
	} {
		if got := words(p.Judge(undated, time.Date(2026, 8, day, 12, 0, 0, 0, time.UTC))); got != want {
			t.Errorf("a version without a date on day %d: %s", day, got)
		}
	}
	if got := p.Needs().Seen; got != 7*24*time.Hour {
		t.Errorf("the rule asks for %v of the past, and without it finds nothing", got)
	}
	for _, bad := range []string{"a\n", "a,2020-01-01\na,yesterday\n", "a b,2020-01-01\n"} {
		if _, err := parseOwners(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}
