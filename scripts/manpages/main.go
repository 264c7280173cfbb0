// Manpages writes man pages for all programs and commands to a folder, one page per command,
// such as clonecratesio-sync.1, from the texts of -help.
//
//	go run ./scripts/manpages -version 2.0.0 out/man
package main

import (
	"bytes"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	urfave "github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/cli"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/manual"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

func main() {
	log.SetFlags(0)
	edition := manual.Edition{Name: "CloneCratesio", Home: program.Homepage, Date: sourceDate()}
	flag.StringVar(&edition.Version, "version", program.Version(), "the version that the pages are of")
	flag.Parse()
	if flag.NArg() != 1 {
		log.Fatal("usage: manpages [-version VERSION] FOLDER")
	}
	for name, command := range map[string]func(*cli.App) *urfave.Command{
		"clonecratesio": cli.Root, "download-crates": cli.DownloadCrates,
		"extract-bundles": cli.ExtractBundles, "generate-sidecars": cli.GenerateSidecars,
	} {
		if err := write(flag.Arg(0), edition, command, name); err != nil {
			log.Fatal(err)
		}
	}
}

// write writes the help of a command as a page, and then the pages of the commands below it
// that this page names.
func write(folder string, edition manual.Edition, command func(*cli.App) *urfave.Command, args ...string) error {
	var page bytes.Buffer
	var below []string
	urfave.HelpPrinter = func(_ io.Writer, _ string, data any) {
		cmd := data.(*urfave.Command)
		manual.WriteMan(&page, cmd, edition)
		for _, sub := range cmd.VisibleCommands() {
			below = append(below, sub.Name)
		}
	}
	app := &cli.App{App: program.App{Stdout: io.Discard, Stderr: os.Stderr}}
	if code := app.Run(command, append(args, "-help")); code != program.ExitOK {
		return fmt.Errorf("%s -help exits %d", strings.Join(args, " "), code)
	}
	if err := os.WriteFile(filepath.Join(folder, strings.Join(args, "-")+".1"), page.Bytes(), 0o644); err != nil {
		return err
	}
	for _, name := range below {
		if err := write(folder, edition, command, append(args[:len(args):len(args)], name)...); err != nil {
			return err
		}
	}
	return nil
}

// sourceDate returns SOURCE_DATE_EPOCH, the time of the source in seconds since 1970, so that
// the same source gives the same pages (reproducible-builds.org). If it is not set, sourceDate
// returns the current time.
func sourceDate() time.Time {
	seconds, err := strconv.ParseInt(os.Getenv("SOURCE_DATE_EPOCH"), 10, 64)
	if err != nil {
		return time.Now()
	}
	return time.Unix(seconds, 0)
}
