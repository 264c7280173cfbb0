package internal_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What a plain run of the tests skips, a line of "make slow" names.
func TestSlowRunsWhatIsSkipped(t *testing.T) {
	makefile := strings.ReplaceAll(read(t, "../Makefile"), "\\\n", "")
	for _, v := range regexp.MustCompile(`(?m)^(SLOW_\w+) := (.*)$`).FindAllStringSubmatch(makefile, -1) {
		makefile = strings.ReplaceAll(makefile, "$("+v[1]+")", v[2])
	}
	lines := regexp.MustCompile(`(?m)^\t\$\(GO\) test .*(-thorough|\$\(MUCH\)|# all of them).*$`).FindAllString(makefile, -1)
	names := regexp.MustCompile(`-run '([^']*)'`)
	seen := 0
	for _, pattern := range []string{"*/*_test.go", "*/*/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			for _, test := range skipped(t, file) {
				seen++
				if !slices.ContainsFunc(lines, func(line string) bool {
					run := names.FindStringSubmatch(line)
					return slices.Contains(strings.Fields(line), "./internal/"+filepath.ToSlash(filepath.Dir(file))) &&
						(run == nil || regexp.MustCompile(strings.ReplaceAll(run[1], "$$", "$")).MatchString(test))
				}) {
					t.Errorf("no line of make slow runs %s of %s", test, filepath.Dir(file))
				}
			}
		}
	}
	if seen < 30 {
		t.Errorf("only %d tests are skipped: this test looks for something else", seen)
	}
}

// skipped are the tests of a file that plain runs skip.
func skipped(t *testing.T, file string) (tests []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range regexp.MustCompile(`(?ms)^func (Test\w+)\(.*?^}`).FindAllStringSubmatch(string(text), -1) {
		if regexp.MustCompile(`durabletest\.(Seldom|Asked)\(t|\tdear\(t\)`).MatchString(f[0]) {
			tests = append(tests, f[1])
		}
	}
	return tests
}
