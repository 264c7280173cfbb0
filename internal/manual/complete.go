package manual

import (
	"context"
	"embed"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v3"
)

// shells are the completion scripts. Each runs the program itself with the words up to the
// cursor and --generate-shell-completion, and gets one line for each possible word, with its
// meaning after a tab. Without any line, the shell completes file names.
//
//go:embed shells
var shells embed.FS

const completionText = `bash, in ~/.bashrc (no other package is needed):
   source <(%[1]s completion bash)
zsh, in ~/.zshrc, after compinit:
   source <(%[1]s completion zsh)
fish:
   %[1]s completion fish >~/.config/fish/completions/%[1]s.fish
PowerShell, in $PROFILE:
   %[1]s completion pwsh | Out-String | Invoke-Expression`

// Completing is the last argument when a shell asks the program for completions.
const Completing = "--generate-shell-completion"

// AboutProgram is the title of the commands that concern no mirror.
const AboutProgram = "About this program"

// Install makes a program, called with args, complete words, and makes it report an unknown
// command rather than the flags behind it.
func Install(root *cli.Command, args []string) {
	_ = root.Walk(func(cmd *cli.Command) error {
		if len(cmd.Commands) > 0 {
			first := 1
			cmd.StopOnNthArg = &first
		}
		return nil
	})
	root.EnableShellCompletion = true
	ask := func(cmd *cli.Command) error {
		cmd.ShellComplete = func(_ context.Context, cmd *cli.Command) { complete(cmd.Root().Writer, cmd, args) }
		return nil
	}
	root.ConfigureShellCompletionCommand = func(cmd *cli.Command) {
		describeCompletion(cmd)
		_ = cmd.Walk(ask)
	}
	_ = root.Walk(ask)
}

// describeCompletion is the hook for the command that the library adds.
func describeCompletion(cmd *cli.Command) {
	name := cmd.Root().Name
	cmd.Hidden = len(cmd.Root().Commands) < 3 // only itself and help: a program of v1.1.0
	cmd.Category = AboutProgram
	cmd.Usage = "write the completion script of a shell"
	cmd.ArgsUsage = "bash|zsh|fish|pwsh"
	cmd.Description = fmt.Sprintf(completionText, name)
	for _, sub := range cmd.Commands {
		sub.Usage = "write the completion script of " + sub.Name
		sub.Action = func(_ context.Context, cmd *cli.Command) error { return writeScript(cmd.Root().Writer, cmd.Name, name) }
	}
}

// writeScript writes the completion script of a shell for a program.
func writeScript(w io.Writer, shell, program string) error {
	script, err := shells.ReadFile("shells/" + shell)
	if err != nil {
		return err
	}
	function := strings.ReplaceAll(program, "-", "_")
	_, err = strings.NewReplacer("PROGRAM", program, "FUNCTION", function).WriteString(w, strings.ReplaceAll(string(script), "\r\n", "\n"))
	return err
}

// complete writes the possible completions of the last word of args, for the command before
// it.
func complete(w io.Writer, cmd *cli.Command, args []string) {
	args = args[:len(args)-1] // without Completing
	word, before := "", ""
	if n := len(args); n > 1 {
		word, before = args[n-1], args[n-2]
	}
	offer := func(candidate, meaning string) {
		if strings.HasPrefix(candidate, word) {
			fmt.Fprintf(w, "%s\t%s\n", candidate, meaning)
		}
	}
	if flag := flagNamed(cmd, before); flag != nil && takesValue(flag) {
		for _, value := range values(flag) {
			offer(value, "")
		}
		return
	}
	if name, _, ok := strings.Cut(word, "="); ok {
		for _, value := range values(flagNamed(cmd, name)) {
			offer(name+"="+value, "")
		}
		return
	}
	if strings.HasPrefix(word, "-") {
		dashes := "-"
		if strings.HasPrefix(word, "--") {
			dashes = "--"
		}
		for _, flag := range cmd.VisibleFlags() {
			offer(dashes+flag.Names()[0], meaning(flag))
		}
		return
	}
	for _, sub := range cmd.VisibleCommands() {
		offer(sub.Name, sub.Usage)
	}
}

// flagNamed returns the flag of a command that an argument with dashes names, or nil.
func flagNamed(cmd *cli.Command, arg string) cli.Flag {
	name := strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-")
	if name == arg {
		return nil
	}
	for _, flag := range cmd.Flags {
		for _, n := range flag.Names() {
			if n == name {
				return flag
			}
		}
	}
	return nil
}

func takesValue(flag cli.Flag) bool {
	doc, ok := flag.(cli.DocGenerationFlag)
	return ok && doc.TakesValue()
}

// meaning returns the first words of a flag's description.
func meaning(flag cli.Flag) string {
	doc, ok := flag.(cli.DocGenerationFlag)
	if !ok {
		return ""
	}
	_, text := unquote(doc.GetUsage())
	if i := strings.IndexAny(text, ":;("); i > 0 {
		text = text[:i]
	}
	return strings.TrimSpace(text)
}

// values returns the words that a flag accepts, if its placeholder lists them, as in
// read|head. Words in capitals are placeholders themselves.
func values(flag cli.Flag) (list []string) {
	doc, ok := flag.(cli.DocGenerationFlag)
	if !ok {
		return nil
	}
	placeholder, _ := unquote(doc.GetUsage())
	if !strings.Contains(placeholder, "|") {
		return nil
	}
	for value := range strings.SplitSeq(placeholder, "|") {
		if value == strings.ToLower(value) {
			list = append(list, value)
		}
	}
	return list
}
