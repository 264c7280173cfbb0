package advisory

import (
	"bytes"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

var realDB = flag.String("advisory-db", "", "folder or repository of real advisories, each of which must be read")

// Every advisory of a real set is read. advisory-db keeps those of programs apart, some twenty.
func TestReal(t *testing.T) {
	if *realDB == "" {
		t.Skip("needs -advisory-db DIR")
	}
	start := time.Now()
	db, err := Load(t.Context(), []string{*realDB})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range db.Problems {
		t.Errorf("%s: %v", p.Path, p.Err)
	}
	kinds, scores := map[string]int{}, map[string]int{}
	for _, name := range db.Crates() {
		for _, a := range db.Of([]byte(name)) {
			kinds[a.Informational]++
			scores[a.Severity.String()]++
		}
	}
	t.Logf("%d advisories of %d crates in %v, the newest of %s: kinds %v, severities %v",
		db.Len(), len(db.crates), time.Since(start).Round(time.Millisecond), db.Newest().Format(time.DateOnly), kinds, scores)
}

var oracle = flag.String("oracle", "", "with -advisory-db: what the Rust crate rustsec says, \"crate version ID:score,...\" a line")

// The same versions are affected by the same advisories, with the same scores, as the Rust
// crate says on which cargo audit stands.
func TestOracle(t *testing.T) {
	if *realDB == "" || *oracle == "" {
		t.Skip("needs -advisory-db DIR -oracle FILE")
	}
	db, err := Load(t.Context(), []string{*realDB})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(*oracle)
	if err != nil {
		t.Fatal(err)
	}
	scores := scoresOf(t, *realDB)
	lines, pairs, wrong := 0, 0, 0
	for line := range strings.Lines(string(text)) {
		words := strings.Split(strings.TrimSuffix(line, "\n"), " ")
		v, err := semver.Parse(words[1])
		if err != nil {
			t.Fatal(err)
		}
		var ids []string
		for _, a := range db.Of([]byte(strings.ReplaceAll(strings.ToLower(words[0]), "-", "_"))) {
			if a.Crate == words[0] && a.Withdrawn.IsZero() && a.Affects(words[1], &v) {
				ids = append(ids, a.ID+":"+scores[a.ID])
			}
		}
		slices.Sort(ids)
		lines++
		pairs += len(ids)
		for id, score := range scores { // rustsec counts threat metrics in
			if score == "E" {
				words[2] = regexp.MustCompile(id+`:[0-9.]+`).ReplaceAllString(words[2], id+":E")
			}
		}
		if got := strings.Join(ids, ","); got != words[2] {
			if wrong++; wrong < 20 {
				t.Errorf("%s %s: %s, rustsec says %s", words[0], words[1], got, words[2])
			}
		}
	}
	t.Logf("%d versions, %d affected by an advisory, %d not as rustsec says", lines, pairs, wrong)
}

// scoresOf are the scores of the vectors of a folder of advisories, by id.
func scoresOf(t *testing.T, dir string) map[string]string {
	t.Helper()
	scores := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || filepath.Ext(name) != ".md" {
			return err
		}
		data, err := os.ReadFile(name)
		score := "-"
		if m := vector.FindSubmatch(data); m != nil {
			value, ok := Score(string(m[1]))
			switch score = fmt.Sprintf("%.1f", value); {
			case !ok:
				score = "?"
			case bytes.Contains(m[1], []byte("/E:")):
				score = "E"
			}
		}
		scores[strings.TrimSuffix(d.Name(), ".md")] = score
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return scores
}

var vector = regexp.MustCompile(`(?m)^cvss *= *"(.*)"`)
