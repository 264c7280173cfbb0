package cli

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/manual"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v3"
)

var update = flag.Bool("update", false, "rewrite docs/reference/commands.md")

const reference = "../../docs/reference/commands.md"

var programs = map[string]func(*App) *cli.Command{
	"clonecratesio": Root, "download-crates": DownloadCrates, "extract-bundles": ExtractBundles,
	"generate-sidecars": GenerateSidecars,
}

// TestReference: docs/reference/commands.md has the help texts of the programs. To update it:
// go test ./internal/cli -run TestReference -update
func TestReference(t *testing.T) {
	var want strings.Builder
	want.WriteString("# Commands\n\nWhat each says when asked for `-help`. Flags take one dash or two, and a value after\na space or `=`.\n")
	for _, args := range commands() {
		program := programs[args[0]]
		fmt.Fprintf(&want, "\n## %s\n\n```text\n%s```\n", strings.Join(args, " "), help(t, program, args))
	}
	if *update {
		if err := os.WriteFile(reference, []byte(want.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), strings.ReplaceAll(string(got), "\r\n", "\n")); diff != "" {
		t.Errorf("docs/reference/commands.md has drifted, rewrite it with -update (-want +got):\n%s", diff)
	}
}

// commands is every command that a program lists, with those below it, so that none can
// be forgotten.
func commands() (list [][]string) {
	app := &App{program.App{Stdout: io.Discard, Stderr: io.Discard}}
	var walk func(cmd *cli.Command, args []string)
	walk = func(cmd *cli.Command, args []string) {
		list = append(list, args)
		for _, sub := range cmd.Commands {
			if !sub.Hidden {
				walk(sub, append(slices.Clip(args), sub.Name))
			}
		}
	}
	for _, name := range []string{"clonecratesio", "download-crates", "extract-bundles", "generate-sidecars"} {
		walk(programs[name](app), []string{name})
	}
	return list
}

func help(t *testing.T, command func(*App) *cli.Command, args []string) string {
	t.Helper()
	t.Setenv("COLUMNS", "")
	var out bytes.Buffer
	app := &App{program.App{Stdout: &out, Stderr: &out}}
	if code := app.Run(command, append(args, "-help")); code != 0 {
		t.Fatalf("%v -help exits %d: %s", args, code, &out)
	}
	lines := strings.SplitAfter(out.String(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \n") + "\n"
	}
	return strings.TrimSpace(strings.Join(lines, "")) + "\n"
}

// A12: every command has a page for man that names each of its flags, and that mandoc,
// where it is, finds nothing wrong with.
func TestA12ManPages(t *testing.T) {
	lint, _ := exec.LookPath("mandoc")
	printer := cli.HelpPrinter
	defer func() { cli.HelpPrinter = printer }()
	for _, args := range commands() {
		var page bytes.Buffer
		cli.HelpPrinter = func(_ io.Writer, _ string, data any) {
			cmd := data.(*cli.Command)
			manual.WriteMan(&page, cmd, manual.Edition{Name: "CloneCratesio", Version: "2.0.0", Home: program.Homepage})
			for _, flag := range cmd.VisibleFlags() {
				if name := strings.ReplaceAll(flag.Names()[0], "-", `\-`); !strings.Contains(page.String(), `\fB\-`+name) {
					t.Errorf("the page of %v does not name -%s", args, flag.Names()[0])
				}
			}
		}
		help(t, programs[args[0]], args)
		if !strings.Contains(page.String(), ".SH NAME\n"+strings.ReplaceAll(strings.Join(args, "-"), "-", `\-`)+` \- `) {
			t.Errorf("the page of %v does not begin with its name:\n%s", args, &page)
		}
		if lint != "" {
			cmd := exec.Command(lint, "-T", "lint", "-W", "warning")
			cmd.Stdin = &page
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("mandoc, of the page of %v: %v\n%s", args, err, out)
			}
		}
	}
}
