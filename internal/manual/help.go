package manual

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"
	"golang.org/x/term"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

const (
	// usualWidth is the width of help that does not go to a terminal, in columns.
	usualWidth = 80
	// maxWidth is the longest line that is easy to read.
	maxWidth = 100
	minWidth = 40
	// termColumn is the column at which a flag's description begins, unless its name is
	// longer.
	termColumn = 26
)

func init() {
	cli.HelpPrinter = printHelp
	cli.ShowCommandHelp = showCommand
}

// showCommand runs help NAME.
func showCommand(ctx context.Context, cmd *cli.Command, name string) error {
	if cmd.Command(name) == nil {
		return NoCommand(cmd, name)
	}
	return cli.DefaultShowCommandHelp(ctx, cmd, name)
}

// printHelp is the library's hook for help. The page of a command always has the same form, so
// it ignores the template.
func printHelp(w io.Writer, _ string, data any) {
	if cmd, ok := data.(*cli.Command); ok {
		var out bytes.Buffer
		pageOf(cmd).print(&out, Width(w))
		_, _ = out.WriteTo(w) // console.Results, below, counts errors
	}
}

// Width returns the width of the terminal to which w goes, within a readable range, or 80 if
// it goes elsewhere. The environment variable COLUMNS overrides it.
func Width(w io.Writer) int {
	width, err := strconv.Atoi(os.Getenv("COLUMNS"))
	if err != nil {
		width = usualWidth
		if f, ok := console.Terminal(w); ok {
			if columns, _, err := term.GetSize(int(f.Fd())); err == nil {
				width = columns
			}
		}
	}
	return min(max(width, minWidth), maxWidth)
}

// print writes the page in lines of at most width columns.
func (p *page) print(w io.Writer, width int) {
	human.Wrap(w, p.name+": "+p.usage, 0, width)
	fmt.Fprintln(w)
	for i, way := range p.synopsis {
		title := "Usage: "
		if i > 0 {
			title = "       "
		}
		human.Wrap(w, title+way, len(title), width)
	}
	section := func(lines []string) {
		if len(lines) > 0 {
			fmt.Fprintln(w)
		}
		for _, line := range lines {
			human.Wrap(w, line, indentOf(line), width)
		}
	}
	section(p.text)
	column := 0
	for _, g := range p.commands {
		for _, e := range g.entries {
			column = max(column, len(e.term)+4)
		}
	}
	table(w, p.commands, column, width)
	table(w, p.options, termColumn, width)
	section(p.exitCodes)
}

// table writes groups; the descriptions form a column.
func table(w io.Writer, groups []group, column, width int) {
	for _, g := range groups {
		fmt.Fprintf(w, "\n%s:\n", g.title)
		for _, e := range g.entries {
			term := "  " + e.term
			if len(term)+2 > column {
				fmt.Fprintln(w, term)
				term = ""
			}
			human.Wrap(w, fmt.Sprintf("%-*s%s", column, term, e.text), column, width)
		}
	}
}

// indentOf returns the indentation of the continuation lines of a line: that of its text, or
// in tables that of the second column.
func indentOf(line string) int {
	text := strings.TrimLeft(line, " ")
	indent := len(line) - len(text)
	if i := strings.Index(text, "  "); i > 0 && (indent > 0 || strings.HasPrefix(line, "-")) {
		indent += i + len(text[i:]) - len(strings.TrimLeft(text[i:], " "))
	}
	return indent
}
