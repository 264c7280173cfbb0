package cli

import (
	"cmp"
	"io"
	"iter"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

var (
	shellBlock = regexp.MustCompile("(?ms)^```(console|sh|bash|powershell)\r?\n(.*?)^```\r?$")
	// ours is a command of one of the programs, however it is called.
	ours    = regexp.MustCompile(`(?:^|[|;&(]\s*|time (?:-v )?|sudo (?:-u \w+ )?|\w=\S+ )(?:go run )?(?:[\w./\\~-]*[/\\])?(clonecratesio|download-crates|extract-bundles|generate-sidecars)(?:\.exe)?((?: [^|;&)\n]*)?)`)
	flagged = regexp.MustCompile(`(?:^|\s)--?([a-z][\w-]*)`)
	quoted  = regexp.MustCompile(`"[^"]*"|'[^']*'|\$\([^)]*\)`)
)

// TestDocumentsCommands: the programs have all commands and flags that the documents show.
func TestDocumentsCommands(t *testing.T) {
	app := &App{program.App{Stdout: io.Discard, Stderr: io.Discard}}
	roots := map[string]*cli.Command{}
	for name, command := range programs {
		roots[name] = command(app)
	}
	n := 0
	for page, line := range shellLines(t) {
		for _, m := range ours.FindAllStringSubmatch(line, -1) {
			n++
			checkCommand(t, page, line, roots[m[1]], quoted.ReplaceAllString(m[2], "QUOTED"))
		}
	}
	if n < 120 {
		t.Errorf("the pages have %d commands; there were more", n)
	}
}

// shellLines returns the complete commands of all documents, with the document of each.
func shellLines(t *testing.T) iter.Seq2[string, string] {
	t.Helper()
	return func(yield func(page, line string) bool) {
		for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../docs/adr/*.md", "../../Testdata/*.md"} {
			pages, _ := filepath.Glob(pattern)
			for _, page := range pages {
				for _, line := range commandsOf(readFile(t, page)) {
					if !yield(page, line) {
						return
					}
				}
			}
		}
	}
}

// commandsOf returns the commands in the code blocks of a document, without comments and
// output. It skips a block with "did you mean", which shows a typing error.
func commandsOf(text string) (lines []string) {
	whole := strings.NewReplacer("\r\n", "\n", "\\\n", " ", "`\n", " ")
	for _, block := range shellBlock.FindAllStringSubmatch(text, -1) {
		if strings.Contains(block[2], "did you mean") {
			continue
		}
		for _, line := range strings.Split(whole.Replace(block[2]), "\n") {
			command, isCommand := strings.CutPrefix(line, "$ ")
			if isCommand || block[1] != "console" {
				command, _, _ = strings.Cut(command, " # ")
				lines = append(lines, command)
			}
		}
	}
	return lines
}

// checkCommand follows the words of a command down the tree and looks for its flags.
func checkCommand(t *testing.T, page, line string, cmd *cli.Command, rest string) {
	t.Helper()
	root := cmd
	words := strings.Fields(rest)
	if len(words) > 0 && words[0] == "completion" {
		return // the library adds it when the program runs
	}
	for len(words) > 0 && len(cmd.Commands) > 0 && !strings.HasPrefix(words[0], "-") {
		sub := cmd.Command(words[0])
		if sub == nil {
			t.Errorf("%s: %s has no command %q: %s", page, cmd.Name, words[0], line)
			return
		}
		cmd, words = sub, words[1:]
	}
	for _, m := range flagged.FindAllStringSubmatch(" "+strings.Join(words, " "), -1) {
		if !hasFlagNamed(cmd, m[1]) && !(cmd != root && hasFlagNamed(root, m[1]) && m[1] == "version") {
			t.Errorf("%s: %s has no flag -%s: %s", page, cmd.Name, m[1], line)
		}
	}
}

func hasFlagNamed(cmd *cli.Command, name string) bool {
	return name == "help" || name == "h" || name == "version" && cmd.Version != "" ||
		slices.ContainsFunc(cmd.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) })
}

// TestDocumentsTargets: the targets, packages and files in make TARGET, go run ./PACKAGE and
// python3 FILE exist.
func TestDocumentsTargets(t *testing.T) {
	makefile := readFile(t, "../../Makefile")
	target := regexp.MustCompile(`(?:^|\s)make ([a-z][\w-]*)`)
	file := regexp.MustCompile(`(?:go (?:run|test -c|build|test)|python3?) (?:-o \S+ )?(\.?/?[\w./-]+/[\w.-]+|[\w-]+\.py)`)
	for page, line := range shellLines(t) {
		for _, m := range target.FindAllStringSubmatch(line, -1) {
			if !strings.Contains(makefile, "\n"+m[1]+":") {
				t.Errorf("%s: the Makefile has no %s: %s", page, m[1], line)
			}
		}
		for _, m := range file.FindAllStringSubmatch(line, -1) {
			path := strings.TrimSuffix(m[1], "/...")
			if _, err := os.Stat(filepath.Join("../..", filepath.FromSlash(path))); err != nil {
				t.Errorf("%s: %s: %v", page, line, err)
			}
		}
	}
}

// TestDocumentsAreRun: scripts run the commands of these documents. "# internet" behind a
// command says that no test can run it.
func TestDocumentsAreRun(t *testing.T) {
	for _, doc := range []struct {
		page, script string
		atLeast      int
		elsewhere    string // run by other tests
	}{
		{"README.md", "readme", 5, `clonecratesio demo$`},
		{"docs/bundles.md", "readme", 2, ""},
		{"docs/upgrading.md", "readme", 3, ""},
		{"docs/Airgap-Guide.md", "airgap_guide", 10, ""},
		{"docs/airgap.md", "airgap", 10, ` doctor |plain|inspect -index-dir|tar --zstd`}, // need cargo, zstd, jq; the script inspect
	} {
		script := readFile(t, "testdata/script/"+doc.script+".txtar")
		elsewhere := regexp.MustCompile("^$|" + cmp.Or(doc.elsewhere, "^$"))
		n := 0
		for _, m := range regexp.MustCompile(`(?m)^\$ (?:\./)?((?:go run ./cmd/)?(?:clonecratesio|download-crates|tar|cd|mkdir|\(cd) .*?)(\s+# .*)?$`).FindAllStringSubmatch(readFile(t, "../../"+doc.page), -1) {
			n++
			if !strings.Contains(script, m[1]) && !strings.HasSuffix(m[2], "# internet") && !elsewhere.MatchString(m[1]) {
				t.Errorf("%s: the script %s does not run: %s", doc.page, doc.script, m[1])
			}
		}
		if n < doc.atLeast {
			t.Errorf("%s has %d commands", doc.page, n)
		}
	}
}

// untried are flags that a document shows, but that no test passes to the command. The named
// tests cover the package that does the work.
var untried = map[string]string{
	"serve -auth-tokens": "internal/access", "serve -cache-gb": "internal/store/overlay",
	"serve -pull-cache-gb": "internal/pull", "worker -jobs": "internal/fleet",
}

// TestDocumentsFlagsAreTried: a script passes each flag in the documents to its command, or a
// Go test passes it to some command.
func TestDocumentsFlagsAreTried(t *testing.T) {
	tried, inGo := map[string]bool{}, map[string]bool{}
	scripts, _ := filepath.Glob("testdata/script/*.txtar")
	for _, file := range scripts {
		for _, line := range strings.Split(readFile(t, file), "\n") {
			if i := programWord.FindStringIndex(line); i != nil {
				addFlags(tried, line[i[0]:])
			}
		}
	}
	tests, _ := filepath.Glob("../*/*_test.go")
	for _, file := range tests {
		for _, m := range regexp.MustCompile("[\"`' ]-([a-z][a-z-]+)[\"`' =]").FindAllStringSubmatch(readFile(t, file), -1) {
			inGo[m[1]] = true
		}
	}
	for page, line := range shellLines(t) {
		if strings.Contains(page, "measurements") {
			continue
		}
		shown := map[string]bool{}
		addFlags(shown, line)
		for command := range shown {
			_, flag, _ := strings.Cut(command, " -")
			if reason := untried[command]; !tried[command] && !inGo[flag] && reason == "" {
				t.Errorf("%s shows %s, which no test runs: %s", page, command, line)
			}
		}
	}
}

// programWord is where a line of a script calls a program.
var programWord = regexp.MustCompile(`\b(?:clonecratesio|download-crates|extract-bundles|generate-sidecars) `)

// addFlags adds the commands of a line with each of their flags, such as "sync -bundle".
func addFlags(flags map[string]bool, line string) {
	for _, m := range ours.FindAllStringSubmatch(line, -1) {
		name := oldNames[m[1]]
		if words := strings.Fields(m[2]); name == "" && len(words) > 0 {
			name = words[0]
		}
		for _, f := range flagged.FindAllStringSubmatch(quoted.ReplaceAllString(m[2], ""), -1) {
			flags[name+" -"+f[1]] = true
		}
	}
}

var oldNames = map[string]string{"download-crates": "download", "extract-bundles": "extract", "generate-sidecars": "sidecars"}
