package policy

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// Every example of the documentation is a policy.
func TestExamplesOfTheDocumentation(t *testing.T) {
	text, err := os.ReadFile("../../docs/policy.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```toml\r?\n(.*?)```").FindAllSubmatch(text, -1)
	if len(examples) < 8 {
		t.Fatalf("%d examples", len(examples))
	}
	for _, m := range examples {
		if _, err := Read(strings.NewReader(string(m[1])), "docs/policy.md"); err != nil {
			t.Errorf("%v\n%s", err, m[1])
		}
	}
}
