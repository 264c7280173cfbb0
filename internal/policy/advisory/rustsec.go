package advisory

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// frontMatter is the part of an advisory's TOML that we use.
type frontMatter struct {
	Advisory struct {
		ID            string   `toml:"id"`
		Package       string   `toml:"package"`
		Collection    string   `toml:"collection"`
		Title         string   `toml:"title"`
		Date          string   `toml:"date"`
		Withdrawn     string   `toml:"withdrawn"`
		URL           string   `toml:"url"`
		Aliases       []string `toml:"aliases"`
		Categories    []string `toml:"categories"`
		CVSS          string   `toml:"cvss"`
		Informational any      `toml:"informational"` // a word, or a table {other = "word"}
	} `toml:"advisory"`
	Versions *struct {
		Patched    []string `toml:"patched"`
		Unaffected []string `toml:"unaffected"`
	} `toml:"versions"`
}

// categoryMalicious is the category of crates made to do harm.
const categoryMalicious = "malicious"

// parseRustSec parses an advisory of RustSec. It returns nil for one that is not about a
// crate.
func parseRustSec(data []byte) (*Advisory, error) {
	text := string(bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n")))
	head, ok := strings.CutPrefix(strings.TrimLeft(text, " \n\t\ufeff"), "```toml\n")
	if !ok {
		return nil, errors.New("want ```toml on the first line")
	}
	head, body, ok := strings.Cut(head, "\n```")
	if !ok {
		return nil, errors.New("the TOML does not end: want ``` on a line by itself")
	}
	var m frontMatter
	if err := toml.Unmarshal([]byte(head), &m); err != nil {
		return nil, err
	}
	if m.Advisory.Collection == "rust" {
		return nil, nil
	}
	return m.advisory(strings.Clone(title(m.Advisory.Title, body))) // so that the whole text is not kept in memory
}

// title returns the given title, or the first heading of the Markdown.
func title(given, body string) string {
	if given != "" {
		return given
	}
	for line := range strings.SplitSeq(body, "\n") {
		if heading, ok := strings.CutPrefix(line, "# "); ok {
			return strings.TrimSpace(heading)
		}
	}
	return ""
}

func (m *frontMatter) advisory(title string) (*Advisory, error) {
	in := &m.Advisory
	if err := checkID(in.ID); err != nil {
		return nil, err
	}
	if err := crate.CheckName(in.Package); err != nil {
		return nil, fmt.Errorf("package: %w", err)
	}
	if m.Versions == nil {
		return nil, errors.New("the table [versions] is missing")
	}
	a := &Advisory{
		ID: in.ID, Aliases: in.Aliases, Crate: in.Package, Title: title, URL: in.URL,
		Severity: severityOf(in.CVSS),
	}
	for _, c := range in.Categories {
		a.Malicious = a.Malicious || c == categoryMalicious
	}
	var err error
	if a.Informational, err = informational(in.Informational); err != nil {
		return nil, err
	}
	if a.Date, err = time.Parse(time.DateOnly, in.Date); err != nil {
		return nil, fmt.Errorf("date: %w", err)
	}
	if in.Withdrawn != "" {
		if a.Withdrawn, err = time.Parse(time.DateOnly, in.Withdrawn); err != nil {
			return nil, fmt.Errorf("withdrawn: %w", err)
		}
	}
	a.affected.all = true
	reqs := append(m.Versions.Patched, m.Versions.Unaffected...)
	if len(reqs) > maxRanges {
		return nil, fmt.Errorf("%d requirements, want at most %d", len(reqs), maxRanges)
	}
	for _, req := range reqs {
		s, err := parseSpan(req)
		if err != nil {
			return nil, err
		}
		a.affected.safe = append(a.affected.safe, s)
	}
	return a, nil
}

func informational(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case string:
		return strings.TrimSpace(v), nil
	case map[string]any:
		if other, ok := v["other"].(string); ok {
			return other, nil
		}
	}
	return "", errors.New("informational: want a word")
}

// checkID bounds what goes into messages and pages.
func checkID(id string) error {
	const most = 100
	if id == "" || len(id) > most || strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.:") != "" {
		return fmt.Errorf("id %.120q: want at most %d letters, digits and -", id, most)
	}
	return nil
}
