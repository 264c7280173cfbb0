package advisory

import (
	"flag"
	"testing"
	"time"
)

var realDB = flag.String("advisory-db", "", "folder or repository of real advisories, each of which must be read")

// Every advisory of a real set is read. advisory-db keeps those of programs apart, of which
// there are some twenty.
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
