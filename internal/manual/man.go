package manual

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/urfave/cli/v3"
)

// Edition is the text in the margins of man pages: the program, its version and date.
type Edition struct {
	Name, Version string
	Date          time.Time // date of the source, so that two builds make equal pages
	Home          string    // URL of all documents
}

// WriteMan writes the man page of a command with the macros of man(7), which all systems
// support: groff on Linux, mandoc on the BSDs and Alpine. It has the content of -help. Call it
// where the library prints help, because the command is complete only then.
func WriteMan(w *bytes.Buffer, cmd *cli.Command, e Edition) {
	p := pageOf(cmd)
	out := &roff{w}
	out.line(".TH %s 1 %s %s %s", quoted(strings.ToUpper(pageName(cmd))), e.Date.UTC().Format(time.DateOnly), quoted(e.Name+" "+e.Version), quoted("User Commands"))
	out.line(".nh\n.ad l") // no hyphenation or justification, for flags and paths
	out.line(".SH NAME\n%s \\- %s", escape(pageName(cmd)), escape(p.usage))
	out.line(".SH SYNOPSIS")
	for i, way := range p.synopsis {
		if i > 0 {
			out.line(".br")
		}
		out.line(".B %s\n%s", escape(p.name), escape(strings.TrimPrefix(way, p.name+" ")))
	}
	out.paragraphs("DESCRIPTION", p.text)
	out.groups("COMMANDS", p.commands)
	out.groups("OPTIONS", p.options)
	if len(p.exitCodes) > 0 {
		out.table("EXIT STATUS", p.exitCodes[1:])
	}
	out.line(".SH SEE ALSO")
	for _, other := range slices.Concat(cmd.Lineage()[1:], cmd.VisibleCommands()) {
		out.line(".BR %s (1),", escape(pageName(other)))
	}
	out.line(".UR %s\nDocumentation\n.UE", e.Home)
}

// pageName returns the name of a command's man page: git-log for "git log".
func pageName(cmd *cli.Command) string { return strings.ReplaceAll(cmd.FullName(), " ", "-") }

// roff is a page being written.
type roff struct{ *bytes.Buffer }

func (r *roff) line(format string, args ...any) { fmt.Fprintf(r.Buffer, format+"\n", args...) }

// paragraphs writes a section of text. It preserves lines that begin with a space, and
// writes rows of tables as terms with their meanings.
func (r *roff) paragraphs(title string, text []string) {
	if len(text) == 0 {
		return
	}
	r.line(".SH %s", title)
	example := false
	for i, line := range text {
		asIs := strings.HasPrefix(line, " ") && !isRow(line)
		switch {
		case line == "":
			if example && i+1 < len(text) && strings.HasPrefix(text[i+1], " ") {
				r.line("")
			}
			continue
		case asIs && !example:
			r.line(".PP\n.EX")
		case !asIs && example:
			r.line(".EE\n.PP")
		case !asIs && i > 0 && !isRow(line):
			r.line(".PP")
		}
		example = asIs
		if isRow(line) {
			term, meaning, _ := strings.Cut(strings.TrimSpace(line), "  ")
			line = strings.TrimSpace(meaning)
			r.line(".TP\n.B %s", escape(term))
		}
		r.line("%s", escape(line))
	}
	if example {
		r.line(".EE")
	}
}

// groups writes a section of entries, each group under its title.
func (r *roff) groups(title string, groups []group) {
	if len(groups) > 0 {
		r.line(".SH %s", title)
	}
	for _, g := range groups {
		r.line(".SS %s", escape(g.title))
		for _, e := range g.entries {
			name, value, _ := strings.Cut(e.term, " ")
			if strings.HasSuffix(name, ",") { // -help, -h
				name, value = e.term, ""
			}
			r.line(".TP\n\\fB%s\\fR%s\n%s", escape(name), italic(value), escape(e.text))
		}
	}
}

// italic formats the value after a flag's name.
func italic(value string) string {
	if value == "" {
		return ""
	}
	return ` \fI` + escape(value) + `\fR`
}

// table writes a section of two columns. A line with only a second column continues the line
// before.
func (r *roff) table(title string, lines []string) {
	r.line(".SH %s", title)
	for _, line := range lines {
		text := strings.TrimSpace(line)
		if term, meaning, found := strings.Cut(text, "  "); found && strings.IndexFunc(term, unicode.IsSpace) < 0 {
			r.line(".TP\n.B %s", escape(term))
			text = strings.TrimSpace(meaning)
		}
		if text != "" {
			r.line("%s", escape(text))
		}
	}
}

// special escapes what roff would read as a request, an escape or a typographic character.
var special = strings.NewReplacer(`\`, `\(rs`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`)

// escape is text that roff prints as it is.
func escape(text string) string {
	text = special.Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}

// quoted is an argument of a macro.
func quoted(text string) string {
	return `"` + strings.ReplaceAll(cmp.Or(escape(text), " "), `"`, `\(dq`) + `"`
}
