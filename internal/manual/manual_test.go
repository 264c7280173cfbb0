package manual

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v3"
)

// example is a program with all that a page can have.
func example() *cli.Command {
	nothing := func(context.Context, *cli.Command) error { return nil }
	return &cli.Command{
		Name: "prog", Usage: "an example", Action: func(_ context.Context, cmd *cli.Command) error {
			return NoCommand(cmd, cmd.Args().First())
		},
		Commands: []*cli.Command{
			{
				Name: "sync", Usage: "fetch what is missing", ArgsUsage: "[-mirror DIR]\n       prog sync -all", Action: nothing, Category: "Begin",
				OnUsageError: func(_ context.Context, cmd *cli.Command, err error, _ bool) error { return UsageError(cmd, err) },
				Description:  "A paragraph that\nflows over\n-lines, not a row.\n\n   table  entry\n          that continues\n-job N    is a row, too\n          of two lines\n\nExit codes:\n   0    all is well and there is nothing else to be said of it\n",
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "mirror", Usage: "`DIR` of the mirror", Category: "Folders"},
					&cli.StringFlag{Name: "mode", Value: "only", Usage: "keep `only|add|N` of the copies that there are", Category: "Storage"},
					&cli.BoolFlag{Name: "mode-of-a-very-long-name", Usage: "no value"},
					&cli.StringFlag{Name: "copy", Value: "one", Usage: "`one|both`: keep one, or both"},
					&cli.DurationFlag{Name: "every", Usage: "again and again", Value: 3600e9},
					&cli.StringFlag{Name: "contact", Usage: "whom to write to", Sources: cli.EnvVars("CONTACT")},
					&cli.BoolFlag{Name: "secret", Hidden: true},
				},
			},
			{Name: "status", Usage: "look", Action: nothing, Category: "Begin"},
			{Name: "hidden", Hidden: true, Action: nothing},
		},
	}
}

// run runs the example and returns what it prints.
func run(t *testing.T, args ...string) (string, error) {
	t.Helper()
	t.Setenv("COLUMNS", "")
	var out bytes.Buffer
	root := example()
	root.Writer, root.ErrWriter = &out, &out
	root.ExitErrHandler = func(context.Context, *cli.Command, error) {}
	args = append([]string{"prog"}, args...)
	Install(root, args)
	err := root.Run(t.Context(), args)
	return out.String(), err
}

// TestHelp: flags come first, under their titles, and exit codes last, at most 80 columns.
func TestHelp(t *testing.T) {
	got, err := run(t, "sync", "-help")
	if err != nil {
		t.Fatal(err)
	}
	const want = `prog sync: fetch what is missing

Usage: prog sync [-mirror DIR]
       prog sync -all

A paragraph that flows over -lines, not a row.

   table  entry that continues
-job N    is a row, too of two lines

Folders:
  -mirror DIR             DIR of the mirror

Storage:
  -mode only|add|N        keep only|add|N of the copies that there are (default:
                          only)

Options:
  -mode-of-a-very-long-name
                          no value
  -copy one|both          keep one, or both (default: one)
  -every DURATION         again and again (default: 1h)
  -contact STRING         whom to write to [$CONTACT]
  -help, -h               show help

Exit codes:
   0    all is well and there is nothing else to be said of it
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// A8: whatever the width, no line is longer, but for words that are, and no word is lost.
func TestA8HelpFits(t *testing.T) {
	root := example()
	Install(root, []string{"prog"})
	p := pageOf(root.Commands[0])
	words := func(width int) []string {
		var out bytes.Buffer
		p.print(&out, width)
		for line := range strings.Lines(out.String()) {
			if line = strings.TrimSuffix(line, "\n"); len(line) > width && strings.Contains(strings.TrimSpace(line), " ") {
				t.Errorf("at %d columns: %q has %d", width, line, len(line))
			}
		}
		return strings.Fields(out.String())
	}
	wide := words(1000)
	for width := minWidth; width < 130; width++ {
		if diff := cmp.Diff(wide, words(width)); diff != "" {
			t.Fatalf("at %d columns: %s", width, diff)
		}
	}
}

// A9: a slip of the hand is told with what was meant, and another word without.
func TestA9DidYouMean(t *testing.T) {
	for args, want := range map[string]string{
		"snyc":              `there is no command "snyc"; did you mean sync?`,
		"stauts":            `there is no command "stauts"; did you mean status?`,
		"mirror":            `there is no command "mirror"`,
		"hiddem":            `there is no command "hiddem"`,
		"snyc -mirror d":    `there is no command "snyc"; did you mean sync?`,
		"snyc -evrey=5s d":  `there is no command "snyc"; did you mean sync?`,
		"help synk":         `there is no command "synk"; did you mean sync?`,
		"sync --evrey 5s":   `there is no flag -evrey; did you mean -every?`,
		"sync -mod=add":     `there is no flag -mod; did you mean -mode?`,
		"sync -secrte":      `there is no flag -secrte`,
		"sync -concurrency": `there is no flag -concurrency`,
	} {
		if _, err := run(t, strings.Fields(args)...); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", args, err, want)
		}
	}
}

// A11: commands, flags with as many dashes as were typed, and the words that flags take.
func TestA11Completions(t *testing.T) {
	for _, tt := range []struct {
		words []string
		want  string // the candidates
	}{
		{[]string{""}, "sync status completion"},
		{[]string{"s"}, "sync status"},
		{[]string{"sync", "-mo"}, "-mode -mode-of-a-very-long-name"},
		{[]string{"sync", "--mod"}, "--mode --mode-of-a-very-long-name"},
		{[]string{"sync", "-"}, "-mirror -mode -mode-of-a-very-long-name -copy -every -contact -help"},
		{[]string{"sync", "-mode", ""}, "only add"},
		{[]string{"sync", "--mode", "a"}, "add"},
		{[]string{"sync", "-mode=o"}, "-mode=only"},
		{[]string{"sync", "-mirror", ""}, ""}, // of files the shell knows more
		{[]string{"sync", "-nothing", "x"}, ""},
		{[]string{"completion", ""}, "bash zsh fish pwsh"},
	} {
		out, err := run(t, append(slices.Clone(tt.words), "--generate-shell-completion")...)
		var got []string
		for line := range strings.Lines(out) {
			candidate, _, _ := strings.Cut(line, "\t")
			got = append(got, candidate)
		}
		if err != nil || strings.Join(got, " ") != tt.want {
			t.Errorf("%q: %q, %v, want %q", tt.words, got, err, tt.want)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "pwsh"} {
		script, err := run(t, "completion", shell)
		if err != nil || !strings.Contains(script, "prog completion for") || strings.Contains(script, "PROGRAM") || strings.Contains(script, "FUNCTION") {
			t.Errorf("%s: %v, %s", shell, err, script)
		}
	}
}

// A12: the page for man has what -help has, and nothing of it is a request to roff.
func TestA12ManPage(t *testing.T) {
	root := example()
	sync := root.Commands[0]
	sync.Description = ".TH is no request here\n\n   'tables' stay  as they are: C:\\new `x` ~\n   .so /etc/passwd\n\n" + sync.Description
	root.Commands = root.Commands[:1]
	if err := root.Run(t.Context(), []string{"prog", "-help"}); err != nil {
		t.Fatal(err)
	}
	var got bytes.Buffer
	WriteMan(&got, sync, Edition{Name: "Prog", Version: `1.0 "x"`, Date: time.Unix(86400, 0), Home: "https://prog.example"})
	const want = `.TH "PROG\-SYNC" 1 1970-01-02 "Prog 1.0 \(dqx\(dq" "User Commands"
.nh
.ad l
.SH NAME
prog\-sync \- fetch what is missing
.SH SYNOPSIS
.B prog sync
[\-mirror DIR]
.br
.B prog sync
\-all
.SH DESCRIPTION
\&.TH is no request here
.TP
.B \(aqtables\(aq stay
as they are: C:\(rsnew \(gax\(ga \(ti
.PP
.EX
   .so /etc/passwd
.EE
.PP
A paragraph that flows over \-lines, not a row.
.TP
.B table
entry that continues
.TP
.B \-job N
is a row, too of two lines
.SH OPTIONS
.SS Folders
.TP
\fB\-mirror\fR \fIDIR\fR
DIR of the mirror
.SS Storage
.TP
\fB\-mode\fR \fIonly|add|N\fR
keep only|add|N of the copies that there are (default: only)
.SS Options
.TP
\fB\-mode\-of\-a\-very\-long\-name\fR
no value
.TP
\fB\-copy\fR \fIone|both\fR
keep one, or both (default: one)
.TP
\fB\-every\fR \fIDURATION\fR
again and again (default: 1h)
.TP
\fB\-contact\fR \fISTRING\fR
whom to write to [$CONTACT]
.TP
\fB\-help, \-h\fR
show help
.SH EXIT STATUS
.TP
.B 0
all is well and there is nothing else to be said of it
.SH SEE ALSO
.BR prog (1),
.UR https://prog.example
Documentation
.UE
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}
