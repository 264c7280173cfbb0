package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// phrase is a pattern of words, and what says it better.
type phrase struct{ word, instead string }

// unwanted are words that readers stumble over, with what says it better. They were a
// habit here, and of no other project in this field.
var unwanted = []phrase{
	{"nobody|no one", "no client, no user, nothing; or the active: is not asked"},
	{"somebody|someone else's|anybody", "another program, a user, a client"},
	{"whoever|whomever", "anyone who, users who"},
	{"anew|afresh", "again"},
	{"for good", "permanently; keep running"},
	{"of which", "whose, with; or two sentences"},
	{"(?:lies|lie) (?:in|on|under|below|beside|between|there|elsewhere|around|where)", "is, is stored"},
	{"vouch(?:es|ed)?", "prove"},
	{"thrown? away|throws away", "remove"},
	{"makes? no(?:thing| sense)? of|makes no sense", "cannot be parsed; has no effect"},
	{"without further ado", "by itself"},
	{"go(?:es|ne|ing)? on|went on", "resumes, continues, still runs"},
	{"good for nothing|no more what", "revoked, has no effect; no longer"},
	{"tells of|not give (?:it|them) out", "lists, reports, names; does not serve"},
	{"get rid of", "remove"},
	{"nothing is to (?:go|be fetched)", "nothing to remove, nothing to download"},
}

// turned are phrases in the order of another language. Users do not read them; comments
// may still have some.
var turned = []phrase{
	{"(?:give|gives|given|gave|giving) (?:it |them )?out", "serve, send, hand out"},
	{"(?:is|are|was|were|be) told (?:of|so|once)", "report"},
	{"(?:is|are|was|were|be) said (?:of|so|once)", "report, say"},
	{"of then|of before", "of that day; earlier"},
	{"for want of", "because it lacks, without"},
	{"in vain", "without success, for nothing"},
	{"be had", "is available"},
	{"(?:takes?|taken|took) away", "remove, omit"},
	{"(?:stands?|stood) (?:in|under|beside|there|behind|between|above)", "is"},
	{"upstream (?:is|was) away", "the upstream is down"},
	{"mend(?:s|ed|ing)?", "fix, repair"},
	{"not any more|(?:not|nothing|no|none) [^.;:]{1,60} any more", "no longer"},
	{"a (?:line|file|request|row) a (?:version|crate|change|member|line)", "one line for each version"},
}

var (
	unwantedWord = sync.OnceValue(func() *regexp.Regexp { return anyOf(unwanted) })
	turnedPhrase = sync.OnceValue(func() *regexp.Regexp { return anyOf(turned) })
)

// anyOf finds any of the phrases, each in a group of its own.
func anyOf(phrases []phrase) *regexp.Regexp {
	var words []string
	for _, p := range phrases {
		words = append(words, "("+p.word+")")
	}
	return regexp.MustCompile(`(?i)\b(?:` + strings.Join(words, "|") + `)\b`)
}

// TestWords: pages, help texts and messages use the field's words.
func TestWords(t *testing.T) {
	for place, text := range userVisible(t) {
		checkWords(t, place, text)
		checkPhrases(t, place, text, turned, turnedPhrase())
	}
}

// checkWords reports the unwanted words of a text, with what says it better.
func checkWords(t *testing.T, place, text string) {
	t.Helper()
	checkPhrases(t, place, text, unwanted, unwantedWord())
}

func checkPhrases(t *testing.T, place, text string, phrases []phrase, anyOfThem *regexp.Regexp) {
	t.Helper()
	for _, m := range anyOfThem.FindAllStringSubmatch(text, -1) {
		for i, found := range m[1:] {
			if found != "" {
				t.Errorf("%s: %q, say %s: %.300s", place, found, phrases[i].instead, text)
			}
		}
	}
}

// userVisible is the paragraphs of pages, help texts, changelog and templates, and the string
// literals of the programs, by where each is.
func userVisible(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	pages := append(documents(t), helpTexts(t)...)
	for _, pattern := range []string{"../changelog/unreleased/*", "../contrib/*/README.md", "../.github/*.md", "../.github/*/*.md", "pages/templates/*.html"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(found), err)
		}
		pages = append(pages, found...)
	}
	for _, page := range pages {
		if strings.HasSuffix(page, "commands.md") { // made of the literals
			continue
		}
		prose := code.ReplaceAllString(fence.ReplaceAllString(read(t, page), ""), "")
		for i, paragraph := range strings.Split(prose, "\n\n") {
			texts[page+" paragraph "+strconv.Itoa(i+1)] = strings.Join(strings.Fields(paragraph), " ")
		}
	}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && strings.HasSuffix(file, "test") || strings.Contains(file, "simreg") {
			return fs.SkipDir
		}
		if strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go") {
			addLiterals(t, file, texts)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return texts
}

func helpTexts(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*/help/*.txt")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d help texts, %v", len(files), err)
	}
	return files
}

// addLiterals adds the string literals of a file, by their lines.
func addLiterals(t *testing.T, file string, texts map[string]string) {
	t.Helper()
	src, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, src, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(parsed, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil && strings.Contains(text, " ") {
				texts[fset.Position(lit.Pos()).String()] += text
			}
		}
		return true
	})
}
