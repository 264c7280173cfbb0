// Package manual documents the commands: help at the width of the terminal, man pages, shell
// completions, and suggestions for misspelt words. All of it is generated from the command
// tree, so no command can be left out.
package manual

import (
	"cmp"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"
)

// page is the description of a command.
type page struct {
	name      string   // including the names of its parent commands
	usage     string   // one sentence
	synopsis  []string // each way to call it
	text      []string // paragraphs; a line that begins with a space is preformatted
	commands  []group
	options   []group
	exitCodes []string
}

// group is the entries of one kind, under a title.
type group struct {
	title   string
	entries []entry
}

// entry is a flag or a command, and its description.
type entry struct{ term, text string }

// exitCodes begins the section that is always last on a page, wherever a command's text has
// it.
const exitCodes = "Exit codes:"

// pageOf returns the page of a command.
func pageOf(cmd *cli.Command) *page {
	p := &page{name: cmd.FullName(), usage: cmd.Usage}
	for way := range strings.Lines(Synopsis(cmd)) {
		p.synopsis = append(p.synopsis, strings.TrimSpace(way))
	}
	text, codes, found := strings.Cut(cmd.Description, exitCodes)
	p.text = paragraphs(text)
	if found {
		p.exitCodes = paragraphs(exitCodes + codes)
	}
	for _, sub := range cmd.VisibleCommands() {
		p.commands = add(p.commands, sub.Category, "Commands", entry{sub.Name, sub.Usage})
	}
	for _, f := range cmd.VisibleFlags() {
		if e, category, ok := flagEntry(f); ok {
			p.options = add(p.options, category, "Options", e)
		}
	}
	return p
}

// Synopsis returns the usage of a command, a line for each way to call it.
func Synopsis(cmd *cli.Command) string {
	switch {
	case cmd.ArgsUsage != "":
		return cmd.FullName() + " " + cmd.ArgsUsage
	case len(cmd.VisibleCommands()) > 0:
		return cmd.FullName() + " COMMAND [options]"
	}
	return cmd.FullName() + " [options]"
}

// add adds an entry to the group with a title. Groups are in the order of their first entries.
func add(groups []group, title, other string, e entry) []group {
	if title == "" {
		title = other
	}
	i := slices.IndexFunc(groups, func(g group) bool { return g.title == title })
	if i < 0 {
		groups, i = append(groups, group{title: title}), len(groups)
	}
	groups[i].entries = append(groups[i].entries, e)
	return groups
}

// flagEntry returns the entry of a flag, with one dash as in all documents; the parser accepts
// two as well.
func flagEntry(f cli.Flag) (e entry, category string, ok bool) {
	doc, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return e, "", false
	}
	if c, ok := f.(cli.CategorizableFlag); ok {
		category = c.GetCategory()
	}
	for _, name := range f.Names() {
		e.term += ", -" + name
	}
	e.term = strings.TrimPrefix(e.term, ", ")
	placeholder, text := unquote(doc.GetUsage())
	if doc.TakesValue() {
		if placeholder == "" {
			placeholder = strings.ToUpper(doc.TypeName())
		}
		e.term += " " + placeholder
		text += defaultOf(doc)
	}
	if env := doc.GetEnvVars(); len(env) > 0 {
		text += " [$" + strings.Join(env, ", $") + "]"
	}
	e.text = text
	return e, category, true
}

// defaultOf returns the default value of a flag, in brackets.
func defaultOf(doc cli.DocGenerationFlag) string {
	value := cmp.Or(doc.GetDefaultText(), doc.GetValue())
	if !doc.IsDefaultVisible() || slices.Contains(nothing, value) {
		return ""
	}
	if doc.TypeName() == "duration" { // 1h0m0s
		for _, zero := range []string{"m0s", "h0m"} {
			if strings.HasSuffix(value, zero) {
				value = value[:len(value)-2]
			}
		}
	}
	return " (default: " + strings.Trim(value, `"`) + ")"
}

// nothing lists the defaults that add nothing to a flag's description.
var nothing = []string{"", `""`, "0", "0s", "[]"}

// unquote returns the word in backticks, which is the placeholder for a flag's value, and the
// text without the backticks. It drops a word that stands before the text, with a colon, as in
// "`only|add`: keep only the bundled copy".
func unquote(usage string) (placeholder, text string) {
	before, rest, found := strings.Cut(usage, "`")
	word, after, closed := strings.Cut(rest, "`")
	if !found || !closed {
		return "", usage
	}
	if text, apart := strings.CutPrefix(after, ": "); apart && before == "" {
		return word, text
	}
	return word, before + word + after
}

// paragraphs joins the lines of flowing text. Lines that begin with a space, and rows of
// tables, stay separate. An empty line separates paragraphs.
func paragraphs(text string) (list []string) {
	var flow string
	flush := func() {
		if flow != "" {
			list, flow = append(list, flow), ""
		}
	}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line = strings.TrimRight(line, " \r\n")
		last := len(list) - 1
		switch {
		case flow == "" && last >= 0 && continuesRow(list[last], line):
			list[last] += " " + strings.TrimLeft(line, " ")
		case line == "" || line[0] == ' ' || isRow(line) || strings.HasSuffix(flow, ":"):
			flush()
			list = append(list, line)
		case flow == "":
			flow = line
		default:
			flow += " " + line
		}
	}
	flush()
	return list
}

// isRow reports whether a line is a row of a table: two columns with blanks between them,
// the first indented or a flag.
func isRow(line string) bool {
	text := strings.TrimLeft(line, " ")
	return (len(text) < len(line) || strings.HasPrefix(line, "-")) && strings.Contains(text, "  ")
}

// continuesRow reports whether a line has more of the second column of the row before it.
func continuesRow(row, line string) bool {
	return isRow(row) && line != "" && len(line)-len(strings.TrimLeft(line, " ")) == indentOf(row)
}
