package gate

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/cargotoml"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

func id(name, version string) crate.ID { return crate.ID{Name: name, Version: version} }

// TestHidden checks that hidden versions are not in the index and that denied ones are not
// served. Clients that know a version that is hidden from resolution alone can still download
// it.
func TestHidden(t *testing.T) {
	f := newFake("serde 1.0.0", "serde 1.0.1 29", "serde 1.0.2 -", "evil 1.0.0", "evil 1.0.1", "late 0.1.0 30")
	w := newWorld(t, f, `
contact = "security@example.com"
[age]
min-age = "7d"
[[deny]]
crate = "evil"
reason = "a backdoor"
`)
	for name, want := range map[string]string{
		"serde": "1.0.0",
		"SERDE": "1.0.0",
		"late": "404 This mirror holds 1 version of late and shows none.\n0.1.0: rule age, it is younger than 7d: published 2026-08-31T00:00:00Z; since 2026-08-31T00:00:00Z; until 2026-09-07T00:00:00Z.\n" +
			"To ask for it: security@example.com",
		"evil": "404 This mirror holds 2 versions of evil and shows none.\n1.0.1: rule deny, a backdoor.\n1.0.0: rule deny, a backdoor.\nTo ask for it: security@example.com",
	} {
		if got := w.shows(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	for version, want := range map[crate.ID]string{
		id("serde", "1.0.0"): "yes", id("serde", "1.0.1"): "yes", id("serde", "1.0.2"): "yes",
		id("evil", "1.0.0"): "This mirror does not serve evil 1.0.0: rule deny, a backdoor.\nTo ask for it: security@example.com",
	} {
		if got := w.gives(version); got != want {
			t.Errorf("%s: %q, want %q", version, got, want)
		}
	}
	if n := f.opened.Load(); n != 6 { // evil was not opened: that would download or rebuild it
		t.Errorf("%d files were opened, want 6", n)
	}
	evil := f.crates["evil"].Entries[0].Key()
	evil.Name = "EVIL"
	if _, err := w.OpenBytes(t.Context(), evil); err == nil || f.opened.Load() != 6 {
		t.Errorf("evil by another spelling: %v, %d files were opened", err, f.opened.Load())
	}
	if key, err := w.Find(t.Context(), id("evil", "1.0.0")); !errors.As(err, new(*Refusal)) {
		t.Errorf("evil is found: %v, %v", key, err)
	}
	_, err := w.Crate(t.Context(), "evil")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a crate that is hidden is there: %v", err)
	}
	c, err := w.CrateAt(t.Context(), "", "serde")
	if err != nil || len(c.Entries) != 1 || c.Left != 2 || len(c.Withheld) != 2 || c.Withheld[0].Rule != "age" || !c.Withheld[0].Downloads {
		t.Errorf("in the past: %+v, %v", c, err)
	}
}

// TestTimePasses checks that a version appears exactly when its time comes, and that earlier
// answers say until when they may be kept.
func TestTimePasses(t *testing.T) {
	w := newWorld(t, newFake("serde 1.0.0", "serde 1.0.1 28", "serde 1.0.2 29"), "[age]\nmin-age = \"7d\"\nhidden = \"denied\"\n")
	for _, step := range []struct {
		at    time.Time
		want  string
		until time.Time
	}{
		{epoch.AddDate(0, 0, 30), "1.0.0", epoch.AddDate(0, 0, 35)},
		{epoch.AddDate(0, 0, 35).Add(-1), "1.0.0", epoch.AddDate(0, 0, 35)},
		{epoch.AddDate(0, 0, 35), "1.0.0 1.0.1", epoch.AddDate(0, 0, 36)},
		{epoch.AddDate(0, 0, 36), "1.0.0 1.0.1 1.0.2", time.Time{}},
	} {
		w.now = step.at
		if got := w.shows("serde"); got != step.want {
			t.Errorf("at %v: %q, want %q", step.at, got, step.want)
		}
		if c, err := w.Crate(t.Context(), "serde"); err != nil || !c.Until.Equal(step.until) {
			t.Errorf("at %v: until %v, %v", step.at, c.Until, err)
		}
		if got := w.gives(id("serde", "1.0.1")); (got == "yes") != strings.Contains(step.want, "1.0.1") {
			t.Errorf("at %v: %s", step.at, got)
		}
	}
}

// TestBlock checks that a block hides a version from all clients at once, with and without a
// policy, and that no waiver overrides it.
func TestBlock(t *testing.T) {
	for _, text := range []string{"", "[age]\nmin-age = \"7d\"\n[[waiver]]\ncrate = \"serde\"\nreason = \"x\"\nby = \"y\"\nrules = [\"age\", \"deny\"]\n"} {
		f := newFake("serde 1.0.0", "serde 1.0.1", "serde 1.1.0-rc.1", "serde_json 1.0.0")
		w := newWorld(t, f, text)
		if got := w.shows("serde") + w.gives(id("serde", "1.0.1")); got != "1.0.0 1.0.1 1.1.0-rc.1yes" {
			t.Fatalf("before: %q", got)
		}
		before := w.Generation()
		for _, step := range []struct{ spec, json, serde string }{
			{"serde@1.0.1", "1.0.0", "1.0.0 1.1.0-rc.1"},
			{"serde@>=1.0.1", "1.0.0", "1.0.0"},
			{"Serde-JSON", "404 This mirror holds 1 version of serde_json and shows none.\n1.0.0: its operator has blocked it, stolen; since 2026-08-01T00:00:00Z.", "1.0.0"},
			{f.crates["serde"].Entries[0].Checksum.String(), "", ""},
		} {
			w.block(step.spec, "stolen")
			if after := w.Generation(); after <= before {
				t.Errorf("%s: the generation is %d after %d", step.spec, after, before)
			} else {
				before = after
			}
			if got := w.shows("serde_json"); step.json != "" && got != step.json {
				t.Errorf("%s: %q, want %q", step.spec, got, step.json)
			}
			if got := w.shows("serde"); step.serde != "" && got != step.serde || step.serde == "" && !strings.HasPrefix(got, "404 ") {
				t.Errorf("%s: %q, want %q", step.spec, got, step.serde)
			}
		}
		if got, want := w.gives(id("serde", "1.0.1")), "This mirror does not serve serde 1.0.1: its operator has blocked it, stolen; since 2026-08-01T00:00:00Z."; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestWaiverExpires checks that a waiver ends while a server runs, and that its version is
// hidden from that instant on.
func TestWaiverExpires(t *testing.T) {
	w := newWorld(t, newFake("serde 1.0.0", "serde 1.0.1 30"), `
[age]
min-age = "30d"
[[waiver]]
crate = "serde"
versions = "=1.0.1"
rules = ["age"]
reason = "needed for the release"
by = "alice"
expires = 2026-09-10
`)
	if got := w.shows("serde"); got != "1.0.0 1.0.1" {
		t.Errorf("waived: %q", got)
	}
	c, err := w.Crate(t.Context(), "serde")
	if err != nil {
		t.Fatal(err)
	}
	w.now = c.Until.Add(-1)
	if got := w.shows("serde"); got != "1.0.0 1.0.1" {
		t.Errorf("just before its end: %q", got)
	}
	w.now = c.Until
	if got := w.shows("serde"); got != "1.0.0" {
		t.Errorf("at its end: %q", got)
	}
}

// TestPolicyAddsNothing checks with random policies that the lines shown are those of the
// mirror behind, byte for byte and in order, and that no other bytes are served.
func TestPolicyAddsNothing(t *testing.T) {
	rnd := rand.New(rand.NewPCG(14, 0))
	for range 40 {
		var versions []string
		for n := range 1 + rnd.IntN(12) {
			versions = append(versions, fmt.Sprintf("c%d 1.%d.0 %d", rnd.IntN(3), n, rnd.IntN(40)))
		}
		f := newFake(versions...)
		w := newWorld(t, f, randomPolicy(rnd))
		if rnd.IntN(2) == 0 {
			w.block(fmt.Sprintf("c%d@<1.%d.0", rnd.IntN(3), rnd.IntN(12)), "x")
		}
		for name, behind := range f.crates {
			c, err := w.Crate(t.Context(), name)
			if err != nil {
				if !errors.Is(err, fs.ErrNotExist) {
					t.Error(err)
				}
				continue
			}
			rest := behind.Body()
			for line := range bytes.Lines(c.Body()) {
				at := bytes.Index(rest, line)
				if at < 0 {
					t.Fatalf("%s: line %s is not one of the mirror behind, or not in its order", name, line)
				}
				rest = rest[at+len(line):]
			}
			if len(c.Entries)+len(c.Withheld) != len(behind.Entries) {
				t.Errorf("%s: %d lines shown and %d hidden of %d", name, len(c.Entries), len(c.Withheld), len(behind.Entries))
			}
			for _, e := range c.Entries { // a version that resolves must be downloadable
				if got := w.gives(e.ID); got != "yes" {
					t.Errorf("%s is shown: %s", e.ID, got)
				}
			}
		}
		if _, err := w.Open(t.Context(), id("c0", "9.9.9")); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("what is not held: %v", err)
		}
	}
}

func randomPolicy(rnd *rand.Rand) string {
	text := ""
	if rnd.IntN(2) == 0 {
		text += []string{"hidden = \"denied\"\n", "hidden = \"resolve-only\"\n", "observe = true\n"}[rnd.IntN(3)]
	}
	if rnd.IntN(2) == 0 {
		text += fmt.Sprintf("[age]\nmin-age = \"%dd\"\n", 1+rnd.IntN(40))
	}
	if rnd.IntN(2) == 0 {
		text += fmt.Sprintf("[[deny]]\ncrate = \"c%d\"\nversions = \">=1.%d.0\"\n", rnd.IntN(3), rnd.IntN(12))
	}
	if rnd.IntN(4) == 0 {
		text += fmt.Sprintf("[[allow]]\ncrate = \"c%d\"\n", rnd.IntN(3))
	}
	return text + "[[deny]]\ncrate = \"other\"\n"
}

// TestOwnersWithoutAge checks that a rule about owners alone is enough to look up when a
// version was published.
func TestOwnersWithoutAge(t *testing.T) {
	owners := filepath.Join(t.TempDir(), "owners.csv")
	if err := os.WriteFile(owners, []byte("serde,2020-01-01\nserde,2026-08-25\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, newFake("serde 1.0.0 0", "serde 1.0.1 26"), fmt.Sprintf("[owners]\nwait = \"14d\"\nchanges = '%s'\nhidden = \"denied\"\n", owners))
	if got := w.shows("serde"); got != "1.0.0" {
		t.Errorf("shown: %s", got)
	}
	if got := w.gives(id("serde", "1.0.1")); !strings.Contains(got, "rule owners, its crate got another owner on 2026-08-25") {
		t.Errorf("given: %s", got)
	}
}

// TestYankedSince checks that a version that is yanked now is hidden from the past, too,
// although its earlier lines do not say so, and whatever the case of its name.
func TestYankedSince(t *testing.T) {
	w := newWorld(t, newFake("serde 1.0.0", "serde 1.0.1 yanked"), "[yanked]\nhidden = \"denied\"\n")
	c, err := w.CrateAt(t.Context(), "", "serde")
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Entries) != 1 || c.Entries[0].Version != "1.0.0" || len(c.Withheld) != 1 {
		t.Errorf("of the past %d versions are shown, %d withheld: %+v", len(c.Entries), len(c.Withheld), c.Entries)
	}
	key := w.behind.crates["serde"].Entries[1].Key()
	for _, name := range []string{"serde", "Serde"} {
		key.Name = name
		if f, err := w.OpenBytes(t.Context(), key); !errors.As(err, new(*Refusal)) {
			t.Errorf("%s by its checksum: %+v, %v", key.ID, f, err)
		}
	}
}

// TestFactsAreReadOnce checks that the facts in a crate file are read once, however often the
// mirror changes, and that facts that could not be read are read again later.
func TestFactsAreReadOnce(t *testing.T) {
	f := newFake("serde 1.0.0", "serde 1.0.1", "serde 1.0.2")
	f.about[id("serde", "1.0.0")] = cargotoml.Package{License: "MIT"}
	f.about[id("serde", "1.0.1")] = cargotoml.Package{License: "GPL-3.0"}
	w := newWorld(t, f, "[licenses]\nallow = [\"MIT\"]\n")
	for range 3 {
		f.generation.Add(1)
		if got := w.shows("serde"); got != "1.0.0" {
			t.Errorf("shown: %s", got)
		}
	}
	if got, want := f.read.Load(), int64(3+2); got != want {
		t.Errorf("%d were read, want %d: two once, one each time", got, want)
	}
	f.about[id("serde", "1.0.2")] = cargotoml.Package{License: "MIT"}
	if got := w.shows("serde"); got != "1.0.0 1.0.2" {
		t.Errorf("shown, when all are known: %s", got)
	}
	for n := range 3 * maxKnown {
		w.known.Put(crate.Checksum{byte(n), byte(n >> 8), byte(n >> 16)}, nil)
	}
	if n := w.known.Len(); n > maxKnown {
		t.Errorf("%d are remembered", n)
	}
}
