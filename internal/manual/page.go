// Package manual documents the commands: help at the width of the terminal, pages for
// man, completions for shells, and suggestions for misspelt words. All of it comes from
// the tree of commands, so that none can be forgotten.
package manual

import (
	"cmp"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"
)

// page is a command as it is described.
type page struct {
	name      string // with those of the commands above it
	usage     string // in a sentence
	synopsis  string
	text      []string // paragraphs; a line that begins with a blank stands for itself
	commands  []group
	options   []group
	exitCodes []string
}

// group is entries of one kind, under a title.
type group struct {
	title   string
	entries []entry
}

// entry is a flag or a command, and what it does.
type entry struct{ term, text string }

// exitCodes begins what stands last in a page, wherever the text of a command has it.
const exitCodes = "Exit codes:"

// pageOf reads a command.
func pageOf(cmd *cli.Command) *page {
	p := &page{name: cmd.FullName(), usage: cmd.Usage}
	p.synopsis = Synopsis(cmd)
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

// Synopsis is a command with what is written behind it.
func Synopsis(cmd *cli.Command) string {
	switch {
	case cmd.ArgsUsage != "":
		return cmd.FullName() + " " + cmd.ArgsUsage
	case len(cmd.VisibleCommands()) > 0:
		return cmd.FullName() + " COMMAND [options]"
	}
	return cmd.FullName() + " [options]"
}

// add puts an entry into the group with a title; groups are in the order of their first
// entries.
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

// flagEntry is a flag with one dash, as all documents have it; the parser takes two as well.
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

// defaultOf is what a flag is without being given, in brackets.
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

// nothing is the defaults that say no more than the text of a flag does.
var nothing = []string{"", `""`, "0", "0s", "[]"}

// unquote returns the word in backticks, which names the value of a flag, and the text
// without them.
func unquote(usage string) (placeholder, text string) {
	before, rest, found := strings.Cut(usage, "`")
	word, after, closed := strings.Cut(rest, "`")
	if !found || !closed {
		return "", usage
	}
	return word, before + word + after
}

// paragraphs joins the lines of a text that flow; those that begin with a blank, as
// tables do, stay lines. An empty one is between two paragraphs.
func paragraphs(text string) (list []string) {
	var flow string
	flush := func() {
		if flow != "" {
			list, flow = append(list, flow), ""
		}
	}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		line = strings.TrimRight(line, " \r\n")
		switch {
		case line == "" || line[0] == ' ' || strings.HasPrefix(line, "-") || strings.HasSuffix(flow, ":"):
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
