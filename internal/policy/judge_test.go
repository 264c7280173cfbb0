package policy

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

var noon = time.Date(2026, 8, 20, 12, 0, 0, 0, time.UTC)

func subject(text string) *Subject {
	name, version, _ := strings.Cut(text, "@")
	sum, _, _ := crate.Hash(strings.NewReader(text))
	return &Subject{Key: crate.Key{ID: crate.ID{Name: name, Version: version}, Checksum: sum}, Published: noon.AddDate(-1, 0, 0)}
}

// One line a case: the file, the version, and what is said of it.
func TestJudge(t *testing.T) {
	const (
		denySerde = "[[deny]]\ncrate = \"serde\"\n"
		allowTwo  = "[[allow]]\ncrate = \"serde\"\nversions = \"^1.0.200\"\n[[allow]]\ncrate = \"tokio-*\"\n"
		waived    = "[[waiver]]\ncrate = \"serde@1.0.219\"\nrules = [\"deny\"]\nreason = \"r\"\nby = \"b\"\n"
	)
	sum := subject("serde@1.0.219").Checksum.String()
	for _, c := range []struct {
		file, version string
		want          string
	}{
		{"", "serde@1.0.219", "shown"},
		{denySerde, "serde@1.0.219", "denied deny: the policy denies serde"},
		{denySerde, "Serde@1.0.219", "denied deny: the policy denies serde"},
		{denySerde, "serde_json@1.0.0", "shown"},
		{denySerde + "reason = \"stop it\"\nhidden = \"resolve-only\"\n", "serde@1.0.219", "resolve-only deny: stop it"},
		{denySerde + "observe = true\n", "serde@1.0.219", "shown deny: the policy denies serde (observed)"},
		{denySerde + waived, "serde@1.0.219", "shown deny: the policy denies serde (waived by b)"},
		{denySerde + waived, "serde@1.0.219+build", "denied deny: the policy denies serde"},
		{denySerde + waived + "expires = 2026-08-20\n", "serde@1.0.219", "shown deny: the policy denies serde (waived by b)"},
		{denySerde + waived + "expires = 2026-08-19\n", "serde@1.0.219", "denied deny: the policy denies serde"},
		{denySerde + strings.Replace(waived, `"deny"`, `"age"`, 1), "serde@1.0.219", "denied deny: the policy denies serde"},
		{"[[deny]]\ncrate = \"tokio-*\"\n", "tokio_util@1.0.0", "denied deny: the policy denies tokio-*"},
		{"[[deny]]\ncrate = \"tokio-*\"\n", "tokio@1.0.0", "shown"},
		{"[[deny]]\nchecksum = \"" + sum + "\"\nreason = \"bytes\"\n", "serde@1.0.219", "denied deny: bytes"},
		{"[[deny]]\nchecksum = \"" + sum + "\"\nreason = \"bytes\"\n", "serde@1.0.218", "shown"},
		// What hides takes a pre-release by its place in the order, what shows only where cargo does.
		{"[[deny]]\ncrate = \"a\"\nversions = \"<1.2\"\n", "a@1.2.0-rc.1", "denied deny: the policy denies a <1.2"},
		{"[[deny]]\ncrate = \"a\"\nversions = \"^1.2\"\n", "a@1.9.0-rc.1", "denied deny: the policy denies a ^1.2"},
		{"[[deny]]\ncrate = \"a\"\nversions = \"^1.2\"\n", "a@2.0.0-rc.1", "shown"},
		{"[[allow]]\ncrate = \"a\"\nversions = \"^1.2\"\n", "a@1.9.0-rc.1", "resolve-only allow: the policy allows some versions alone, and this is none of them"},
		{allowTwo, "serde@1.0.219", "shown"},
		{allowTwo, "serde@1.0.100", "resolve-only allow: the policy allows some versions alone, and this is none of them"},
		{allowTwo, "tokio-util@0.1.0", "shown"},
		{"hidden = \"denied\"\n" + allowTwo, "rand@0.1.0", "denied allow: the policy allows some versions alone, and this is none of them"},
		{allowTwo + denySerde, "serde@1.0.219", "denied deny: the policy denies serde"},
	} {
		p := read(t, c.file)
		d := p.Judge(subject(c.version), noon)
		if got := words(d); got != c.want {
			t.Errorf("%s\n%s: %s\nwant %s", c.file, c.version, got, c.want)
		}
	}
}

func words(d Decision) string {
	s := d.Visibility.String()
	if d.Rule != "" {
		s += " " + d.Rule + ": " + d.Reason
	}
	switch {
	case d.Observed:
		s += " (observed)"
	case d.Waiver != nil:
		s += " (waived by " + d.Waiver.By + ")"
	}
	return s
}

// The instant from which the age of a version counts.
func TestBorn(t *testing.T) {
	at := func(hour int) time.Time { return noon.Add(time.Duration(hour) * time.Hour) }
	var never time.Time
	for name, c := range map[string]struct {
		s    Subject
		want time.Time
	}{
		"not known":             {Subject{}, never},
		"pubtime alone":         {Subject{Published: at(1)}, at(1)},
		"history alone":         {Subject{Seen: Seen{at(2), at(1)}}, at(2)},
		"between two commits":   {Subject{Published: at(2), Seen: Seen{at(3), at(1)}}, at(2)},
		"forged, too early":     {Subject{Published: at(-9000), Seen: Seen{at(3), at(1)}}, at(3)},
		"forged, too late":      {Subject{Published: at(9), Seen: Seen{at(3), at(1)}}, at(3)},
		"history begins later":  {Subject{Published: at(-9000), Seen: Seen{First: at(3)}}, at(-9000)},
		"published again":       {Subject{Published: at(1), Replaced: at(8)}, at(8)},
		"replaced, not known":   {Subject{Replaced: at(8)}, never},
		"replaced before (old)": {Subject{Published: at(9), Replaced: at(8)}, at(9)},
	} {
		got, known := c.s.born()
		if !got.Equal(c.want) || known == c.want.IsZero() {
			t.Errorf("%s: %v, %v, want %v", name, got, known, c.want)
		}
	}
}

// The attack of August 2026: three malicious versions were removed after 52, 87 and 105
// minutes. At no minute of it does a policy of 24 hours show one.
func TestAttackIsNeverShown(t *testing.T) {
	p := read(t, "[age]\nmin-age = \"24h\"\n")
	for version, minutes := range map[string]int{"proc-macro1@1.0.107": 52, "arrayref@0.3.10": 87, "append-only-vec@0.1.9": 105} {
		for _, how := range []Subject{{Published: noon}, {Seen: Seen{noon, noon.Add(-time.Minute)}}, {},
			{Published: noon.AddDate(-1, 0, 0), Seen: Seen{noon, noon.Add(-time.Minute)}}} {
			s := subject(version)
			s.Published, s.Seen = how.Published, how.Seen
			for m := range minutes + 1 {
				if d := p.Judge(s, noon.Add(time.Duration(m)*time.Minute)); d.Visibility == Shown {
					t.Fatalf("%s is shown after %d minutes: %+v", version, m, d)
				}
			}
		}
	}
	s := subject("arrayref@0.3.9")
	s.Published = noon
	d := p.Judge(s, noon.Add(24*time.Hour-1))
	want := Decision{Visibility: ResolveOnly, Rule: RuleAge, Reason: "it is younger than 1d: published 2026-08-20T12:00:00Z",
		Since: noon, Until: noon.Add(24 * time.Hour), Next: noon.Add(24 * time.Hour)}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if d := p.Judge(s, noon.Add(24*time.Hour)); d.Visibility != Shown {
		t.Errorf("after a day: %+v", d)
	}
}

func TestAgeOfSomeCrates(t *testing.T) {
	p := read(t, "[age]\nmin-age = \"7d\"\n[age.crates]\nserde = \"1d\"\n\"our-*\" = \"0\"\n\"tokio-*\" = \"30d\"\n")
	if got := p.Needs(); got != (Needs{Seen: 30 * 24 * time.Hour}) {
		t.Errorf("needs %+v", got)
	}
	for version, days := range map[string]int{"rand@1.0.0": 7, "serde@1.0.0": 1, "our-thing@1.0.0": 0, "our-thing@2.0.0": 0, "tokio-util@0.7.0": 30} {
		s := subject(version)
		s.Published = noon
		if d := p.Judge(s, noon.AddDate(0, 0, days).Add(-1)); days > 0 && d.Visibility != ResolveOnly {
			t.Errorf("%s, before %d days: %+v", version, days, d)
		}
		if d := p.Judge(s, noon.AddDate(0, 0, days)); d.Visibility != Shown {
			t.Errorf("%s, after %d days: %+v", version, days, d)
		}
	}
}

// Two rules and two waivers: who asks again at Next misses nothing.
func TestNext(t *testing.T) {
	p := read(t, `[age]
min-age = "7d"
[[deny]]
crate = "a"
[[waiver]]
crate = "a@1.0.0"
rules = ["deny"]
reason = "r"
by = "b"
expires = 2026-08-22
[[waiver]]
crate = "*"
rules = ["age"]
reason = "r"
by = "b"
expires = 2026-08-21T00:00:00Z
`)
	s := subject("a@1.0.0")
	s.Published = noon
	var got []string
	for now := noon; !now.IsZero(); {
		d := p.Judge(s, now)
		got = append(got, now.Format("01-02 15 ")+d.Visibility.String()+" "+d.Rule)
		now = d.Next
	}
	want := []string{"08-20 12 shown deny", "08-21 00 resolve-only age", "08-23 00 denied deny", "08-27 12 denied deny"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestShownVersionsAreJudgedWithoutAllocation(t *testing.T) {
	p := read(t, "[age]\nmin-age = \"7d\"\n[yanked]\n[[deny]]\ncrate = \"Some-Thing\"\nversions = \"<1\"\n[[deny]]\ncrate = \"our-*\"\n"+
		"[advisories]\ndatabases = [\"testdata/advisory-db\"]\n[licenses]\nallow = [\"MIT\"]\n[repository]\n[[waiver]]\ncrate = \"*\"\nrules = [\"age\"]\nreason = \"r\"\nby = \"b\"\n")
	for _, version := range []string{"some-thing@1.0.0", "oldssl@0.10.2+build"} {
		s := subject(version)
		s.Facts = &Facts{License: "MIT/ISC", Repository: "https://example.com/a"}
		if n := testing.AllocsPerRun(100, func() {
			if d := p.Judge(s, noon); d.Visibility != Shown {
				t.Fatal(d)
			}
		}); n != 0 {
			t.Errorf("%s: %v allocations", version, n)
		}
	}
}
