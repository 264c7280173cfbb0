package settings

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v3"
)

// called is what the flags of a command are when it runs.
type called struct {
	contact, crates, every string
	bundle                 bool
	jobs                   int64
	changes                []string
	acted                  int // times that the action of -listen ran
}

// run runs sync of an example, whose mirror has a file.
func run(t *testing.T, file string, args ...string) (called, string, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, Name), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	var c called
	dirs := func() []cli.Flag {
		return []cli.Flag{&cli.StringFlag{Name: "mirror"}, &cli.StringFlag{Name: "index-dir", Category: "Folders", TakesFile: true}}
	}
	root := &cli.Command{
		Name: "prog", ExitErrHandler: func(context.Context, *cli.Command, error) {},
		Commands: []*cli.Command{
			{
				Name: "sync", Before: func(ctx context.Context, cmd *cli.Command) (context.Context, error) { return ctx, Apply(ctx, cmd) },
				Action: func(context.Context, *cli.Command) error { return nil },
				Flags: append(dirs(),
					&cli.StringFlag{Name: "contact", Category: "Upstream", Sources: cli.EnvVars("TEST_CONTACT"), Destination: &c.contact},
					&cli.StringFlag{Name: "crates", Category: "Part", TakesFile: true, Destination: &c.crates},
					&cli.BoolFlag{Name: "bundle", Category: "Storage", Destination: &c.bundle},
					&cli.Int64Flag{Name: "jobs", Value: 7, Category: "Upstream", Destination: &c.jobs},
					&cli.StringSliceFlag{Name: "index-changes", Category: "Index", Destination: &c.changes},
					&cli.StringFlag{Name: "every", Destination: &c.every},
					&cli.StringFlag{Name: "listen", Action: func(context.Context, *cli.Command, string) error { c.acted++; return nil }},
				),
			},
			{Name: "verify", Flags: append(dirs(), &cli.StringFlag{Name: "deep"})},
			{Name: "version", Flags: []cli.Flag{&cli.BoolFlag{Name: "json"}}},
		},
	}
	err := root.Run(t.Context(), append([]string{"prog", "sync", "-mirror", dir}, args...))
	return c, dir, err
}

// TestApply: flags win, then the environment, then the table of the command, then what is
// above it; paths are from the folder of the file.
func TestApply(t *testing.T) {
	t.Setenv("TEST_CONTACT", "env@example.org")
	const file = `contact = "file@example.org"
crates = "wanted.txt"
bundle = true
jobs = 1_000
index-changes = ["rss", "old"]
[sync]
jobs = 12
every = "10m"
listen = ":1"
[verify]
deep = "tars"
`
	c, dir, err := run(t, file, "-every", "5m")
	if err != nil {
		t.Fatal(err)
	}
	want := called{
		contact: "env@example.org", crates: filepath.Join(dir, "wanted.txt"), every: "5m", bundle: true, jobs: 12,
		changes: []string{"rss", "old"}, acted: 1,
	}
	if diff := cmp.Diff(want, c, cmp.AllowUnexported(called{})); diff != "" {
		t.Error(diff)
	}
	if c, _, err := run(t, file, "-bundle=false", "-index-changes", "dump", "-crates", "x"); err != nil || c.bundle || len(c.changes) != 1 || c.crates != "x" {
		t.Errorf("flags do not win: %+v, %v", c, err)
	}
	if c, _, err := run(t, ""); err != nil || c.jobs != 7 {
		t.Errorf("an empty file: %+v, %v", c, err)
	}
}

// TestStrict: what the file has wrong is told with its line, all of it, and nothing runs.
func TestStrict(t *testing.T) {
	for file, want := range map[string]string{
		"bundel = true\n":                          `:1: there is no flag "bundel"; did you mean bundle?`,
		"\nevery = \"5m\"\n":                       `:2: every is a command's own: write it below [sync]`,
		"[sync]\nevry = \"5m\"\n":                  `:2: sync has no flag "evry"; did you mean every?`,
		"[verify]\nnothing = 1\n":                  `:2: verify has no flag "nothing"`,
		"[version]\njson = true\n":                 `:1: unknown key "version" in the file: want`,
		"mirror = \"elsewhere\"\n":                 `:1: mirror is given on the command line alone`,
		"jobs = \"many\"\n":                        `:1: jobs: `,
		"contact = [\"a\", \"b\"]\n":               `:1: contact: want one value`,
		"contact = 2026-01-01\n":                   `:1: contact: want a string in quotes, a number`,
		"contact = {a = 1}\n":                      `:1: unknown key "contact" in the file: want`,
		"contact = \"a\"\ncontact = \"b\"\n":       `:2: `,
		"contact = \"a\n":                          `:1: `,
		"bundel = true\n[sync]\nevery = [\"1m\"\n": `:`,
		strings.Repeat("# a comment\n", 10_000):    ` has more than 66 kB`,
	} {
		_, dir, err := run(t, file)
		if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, Name)+want) {
			t.Errorf("%.40q: %v, want %s", file, err, want)
		}
	}
}

// TestOwner: a file that every user may write is not read, and neither is what is no file.
func TestOwner(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, Name)
	if err := os.WriteFile(name, []byte("bundle = true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(name, 0o646); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(name); err == nil && info.Mode().Perm() == 0o646 { // not on Windows
		if _, err := load(name); err == nil || !strings.Contains(err.Error(), "may be written by every user") {
			t.Errorf("a file for everybody: %v", err)
		}
	}
	if _, err := load(dir); err == nil || !strings.Contains(err.Error(), "is no file") {
		t.Errorf("a folder: %v", err)
	}
}
