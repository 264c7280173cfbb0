package internal_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What a plain run of the tests skips, or tries a sample of, a line of "make slow" names.
func TestSlowRunsWhatIsSkipped(t *testing.T) {
	makefile := strings.ReplaceAll(read(t, "../Makefile"), "\\\n", "")
	for _, v := range regexp.MustCompile(`(?m)^(SLOW_\w+) := (.*)$`).FindAllStringSubmatch(makefile, -1) {
		makefile = strings.ReplaceAll(makefile, "$("+v[1]+")", v[2])
	}
	lines := regexp.MustCompile(`(?m)^\t\$\(GO\) test .*(-thorough|\$\(MUCH\)|# all of them).*$`).FindAllString(makefile, -1)
	names := regexp.MustCompile(`-run '([^']*)'`)
	seen := 0
	for dir, text := range testsByFolder(t) {
		for _, test := range partlyRun(text) {
			if strings.HasPrefix(test, "TestRoot") { // of make test-root
				continue
			}
			seen++
			if !slices.ContainsFunc(lines, func(line string) bool {
				run := names.FindStringSubmatch(line)
				return slices.Contains(strings.Fields(line), "./internal/"+dir) &&
					(run == nil || regexp.MustCompile(strings.ReplaceAll(run[1], "$$", "$")).MatchString(test))
			}) {
				t.Errorf("no line of make slow runs %s of %s", test, dir)
			}
		}
	}
	if seen < 60 {
		t.Errorf("only %d tests are skipped or sampled: this test looks for something else", seen)
	}
}

// testsByFolder is the text of all tests, by the folder below internal.
func testsByFolder(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range []string{"*/*_test.go", "*/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			texts[filepath.ToSlash(filepath.Dir(file))] += read(t, file)
		}
	}
	return texts
}

// partlyRun returns the tests that call what skips or samples, themselves or by functions
// of their package.
func partlyRun(text string) (tests []string) {
	functions := regexp.MustCompile(`(?m)^func (?:\([^)]*\) )?(\w+)(?:\[.*?\])?\((?:.*}$|(?s:.*?)^}$)`).FindAllStringSubmatch(text, -1)
	calls := []string{`durabletest\.(?:Seldom|Asked|Every|Sample)`}
	known := map[string]bool{}
	for grown := true; grown; {
		grown = false
		any := regexp.MustCompile(`\b(?:` + strings.Join(calls, "|") + `)\(`)
		for _, f := range functions {
			_, body, _ := strings.Cut(f[0], "(")
			if name := f[1]; !known[name] && any.MatchString(body) {
				known[name], grown = true, true
				if strings.HasPrefix(name, "Test") {
					tests = append(tests, name)
				} else {
					calls = append(calls, name)
				}
			}
		}
	}
	return tests
}
