package cli

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestAirgap: the commands with which docs/airgap.md comes to a server, which the
// script airgap runs, are those of the document.
func TestAirgap(t *testing.T) {
	doc, err := os.ReadFile("../../docs/airgap.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/script/airgap.txtar")
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^\$ ((?:clonecratesio|tar|git|cd|mkdir|\(cd) .*)$`).FindAllStringSubmatch(string(doc), -1)
	if len(commands) < 10 {
		t.Errorf("docs/airgap.md has %d commands", len(commands))
	}
	elsewhere := regexp.MustCompile(` doctor |plain|inspect -index-dir|tar --zstd`) // needs cargo, zstd, jq; the script inspect
	for _, c := range commands {
		if !strings.Contains(string(script), c[1]) && !elsewhere.MatchString(c[1]) {
			t.Errorf("the script does not run: %s", c[1])
		}
	}
}

// TestAirgapGuide: the commands of docs/Airgap-Guide.md are those that the script
// airgap_guide runs.
func TestAirgapGuide(t *testing.T) {
	doc, err := os.ReadFile("../../docs/Airgap-Guide.md")
	if err != nil {
		t.Fatal(err)
	}
	script, err := os.ReadFile("testdata/script/airgap_guide.txtar")
	if err != nil {
		t.Fatal(err)
	}
	commands := regexp.MustCompile(`(?m)^\$ (clonecratesio .*)$`).FindAllStringSubmatch(string(doc), -1)
	if len(commands) < 10 {
		t.Errorf("docs/Airgap-Guide.md has %d commands", len(commands))
	}
	for _, c := range commands {
		if !strings.Contains(string(script), c[1]) {
			t.Errorf("the script does not run: %s", c[1])
		}
	}
}
