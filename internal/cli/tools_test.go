package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// programsOfScript finds what a line of a script runs: the program, and what a shell is
// told to run.
var programsOfScript = regexp.MustCompile(`^(?:\[[^]]*\] )*(?:! |\? )?(?:exec|code \d+) ([\w.-]+)(.*)`)

// shellTools are the programs that scripts use inside of sh -c.
var shellTools = regexp.MustCompile(`\b(awk|find|git|grep|sed|sqlite3|tar|xargs|zstd)\b`)

// needsGit are the commands of TestScripts that make commits.
var needsGit = regexp.MustCompile(`^(commit|squash) `)

// toolsOf lists the programs that the text of a script needs, but for those after a
// condition on a program, as [!exec:git]: it says itself what happens without.
func toolsOf(text string) (tools []string) {
	text, _, _ = strings.Cut(text, "\n-- ") // the files
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "[!exec:") {
			break
		}
		if needsGit.MatchString(line) {
			tools = append(tools, "git")
		}
		found := programsOfScript.FindStringSubmatch(line)
		if found == nil {
			continue
		}
		if _, ours := programs[found[1]]; !ours {
			tools = append(tools, found[1])
		}
		if found[1] == "sh" || found[1] == "bash" {
			tools = append(tools, shellTools.FindAllString(found[2], -1)...)
		}
	}
	slices.Sort(tools)
	return slices.Compact(tools)
}

// skipWithoutTools skips a script that needs a program that is not here: go test ./...
// needs Go alone.
func skipWithoutTools(env *testscript.Env) error {
	name := strings.TrimPrefix(filepath.Base(env.WorkDir), "script-")
	text, err := os.ReadFile(filepath.Join("testdata", "script", name+".txtar"))
	if err != nil {
		return err
	}
	for _, tool := range toolsOf(string(text)) {
		if _, err := exec.LookPath(tool); err != nil {
			env.T().Skip("there is no " + tool + " to test with")
		}
	}
	return nil
}

// A1: what scripts need is found, so that none fails on a machine that has Go alone.
func TestA1ToolsOfScripts(t *testing.T) {
	const script = `registry reg.txt
exec clonecratesio sync -index-url https://example.org/git/index
! exec sh -c 'clonecratesio serve | grep x'
[unix] code 1 ls -l
commit idx
[!exec:zstd] skip
exec zstd -t x
-- file --
exec cargo
`
	if got := strings.Join(toolsOf(script), " "); got != "git grep ls sh" {
		t.Errorf("the tools are %q", got)
	}
}
