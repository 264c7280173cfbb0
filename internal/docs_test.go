package internal_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// faultRows is how many rows each part of the fault catalogue has.
var faultRows = map[string]int{"A": 28, "B": 26, "C": 32, "D": 8, "E": 16, "F": 15, "G": 13, "H": 19, "I": 24, "K": 8, "L": 7, "T": 9}

// TestRobustnessNamesEveryFault: each row is in docs/robustness.md, with tests or
// with the reason why there are none.
func TestRobustnessNamesEveryFault(t *testing.T) {
	rows := map[string]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([A-IKLT]\d+) \| [^|]+ \| ([^|]+) \|$`).FindAllStringSubmatch(read(t, "../docs/robustness.md"), -1) {
		rows[m[1]] = m[2]
	}
	for part, n := range faultRows {
		for i := 1; i <= n; i++ {
			row := fmt.Sprint(part, i)
			if said := rows[row]; !strings.Contains(said, "`") && !strings.Contains(said, "not tested: ") {
				t.Errorf("docs/robustness.md says nothing of %s", row)
			}
		}
	}
}

// TestDocumentsNameTestsThatExist: a test that a promise leans on cannot be
// renamed or removed in silence.
func TestDocumentsNameTestsThatExist(t *testing.T) {
	have := testNames(t)
	for _, doc := range []string{"../docs/promises.md", "../docs/robustness.md", "../SECURITY.md"} {
		text := read(t, doc)
		for _, name := range regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(text, -1) {
			if !have[name[1]] {
				t.Errorf("%s names %s, which is no test", doc, name[1])
			}
		}
		for _, list := range regexp.MustCompile("scripts? ((?:`\\w+`(?:, )?)+)").FindAllStringSubmatch(text, -1) {
			for _, name := range regexp.MustCompile(`\w+`).FindAllString(list[1], -1) {
				if _, err := os.Stat(filepath.Join("cli/testdata/script", name+".txtar")); err != nil {
					t.Errorf("%s names the script %s: %v", doc, name, err)
				}
			}
		}
	}
}

// TestRobustnessCommandsRunTests: a command that reproduces a bug runs a test of
// the package that it names.
func TestRobustnessCommandsRunTests(t *testing.T) {
	commands := regexp.MustCompile("`go test -run (\\w+) \\./internal/([\\w/]+)( -root)?`").FindAllStringSubmatch(read(t, "../docs/robustness.md"), -1)
	if len(commands) < 10 {
		t.Errorf("docs/robustness.md has %d commands", len(commands))
	}
	for _, c := range commands {
		files, err := filepath.Glob(filepath.Join(c[2], "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, file := range files {
			found = found || strings.Contains(read(t, file), "\nfunc "+c[1]+"(")
		}
		if !found {
			t.Errorf("%s runs no test", c[0])
		}
	}
}

// TestFuzzTargetsHaveACorpus: each begins with inputs that are committed.
func TestFuzzTargetsHaveACorpus(t *testing.T) {
	decl := regexp.MustCompile(`(?m)^func (Fuzz\w+)\(`)
	n := 0
	eachTest(t, func(file, text string) {
		for _, m := range decl.FindAllStringSubmatch(text, -1) {
			n++
			corpus := filepath.Join(filepath.Dir(file), "testdata", "fuzz", m[1])
			if entries, err := os.ReadDir(corpus); err != nil || len(entries) < 3 {
				t.Errorf("%s: %d inputs in %s, %v", m[1], len(entries), corpus, err)
			}
		}
	})
	if n == 0 {
		t.Error("there is no fuzz target")
	}
}

func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	decl := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	eachTest(t, func(_, text string) {
		for _, m := range decl.FindAllStringSubmatch(text, -1) {
			names[m[1]] = true
		}
	})
	return names
}

// eachTest visits the files with tests.
func eachTest(t *testing.T, visit func(file, text string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(file string, _ fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(file, "_test.go") {
			visit(file, read(t, file))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
