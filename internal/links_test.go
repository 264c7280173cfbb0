package internal_test

import (
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	fence   = regexp.MustCompile("(?ms)^```.*?^```$")
	code    = regexp.MustCompile("`[^`\n]*`")
	link    = regexp.MustCompile(`\]\((?:<([^>\n]+)>|([^)\s]+))\)`)
	heading = regexp.MustCompile(`(?m)^#+ (.+)$`)
	notSlug = regexp.MustCompile(`[^\p{L}\p{N}\- _]`)
)

// documents is every page of the repository.
func documents(t *testing.T) (files []string) {
	t.Helper()
	for _, pattern := range []string{"../*.md", "../docs/*.md", "../docs/adr/*.md", "../docs/reference/*.md", "../Testdata/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d pages, %v", pattern, len(found), err)
		}
		files = append(files, found...)
	}
	return files
}

// TestDocumentsLink: each link of a page leads to a file that is there, spelt as it is,
// and to a heading of it.
func TestDocumentsLink(t *testing.T) {
	for _, file := range documents(t) {
		prose := code.ReplaceAllString(fence.ReplaceAllString(read(t, file), ""), "")
		for _, m := range link.FindAllStringSubmatch(prose, -1) {
			target := m[1] + m[2]
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			path, anchor, _ := strings.Cut(target, "#")
			path, err := url.PathUnescape(path)
			if err != nil {
				t.Errorf("%s: %s: %v", file, target, err)
			}
			to := filepath.Join(filepath.Dir(file), filepath.FromSlash(path))
			if path == "" {
				to = file
			}
			if !spelt(to) {
				t.Errorf("%s: there is no %s", file, target)
			} else if anchor != "" && filepath.Ext(to) == ".md" && !anchors(read(t, to))[anchor] {
				t.Errorf("%s: %s has no heading #%s", file, path, anchor)
			}
		}
	}
}

// TestDocumentsAreListed: docs/README.md, which says which page is for whom, leaves none out.
func TestDocumentsAreListed(t *testing.T) {
	list := read(t, "../docs/README.md")
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, page := range pages {
		if name := filepath.Base(page); name != "README.md" && !strings.Contains(list, "("+name) && !strings.Contains(list, "<"+name+">") {
			t.Errorf("docs/README.md does not name %s", name)
		}
	}
}

// spelt reports whether a file is there under exactly this name, on file systems that do
// not tell case apart, too.
func spelt(path string) bool {
	entries, err := os.ReadDir(filepath.Dir(path))
	for _, e := range entries {
		if e.Name() == filepath.Base(path) {
			return true
		}
	}
	return err == nil && (filepath.Base(path) == "." || filepath.Base(path) == "..")
}

// anchors is the names of a page's headings, as GitHub makes them.
func anchors(page string) map[string]bool {
	names := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(page, ""), -1) {
		text := regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(m[1], "$1")
		slug := notSlug.ReplaceAllString(strings.ToLower(strings.TrimSpace(text)), "")
		names[strings.ReplaceAll(slug, " ", "-")] = true
	}
	return names
}
