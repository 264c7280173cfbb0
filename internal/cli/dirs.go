package cli

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
)

// dirs are the folders of a mirror, for the everyday commands: -mirror names
// the folder that has them all under v1.1.0's names, and each has a flag of its
// own for those who keep it elsewhere.
type dirs struct{ home.Dirs }

func (d *dirs) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "mirror", Value: defaultMirror(), DefaultText: "~/Rust-Crates", Usage: "`DIR` of the mirror, with crates.io-index, crates, bundles and manifest.jsonl in it", Destination: &d.Root, TakesFile: true},
		&cli.StringFlag{Name: "index-dir", Usage: "`DIR` of the index, if it is elsewhere: a checkout, a bare repository or a plain folder", Destination: &d.Index, TakesFile: true},
		&cli.StringFlag{Name: "out", Usage: "`DIR` of the crate files and of the mirror's state, if it is elsewhere", Destination: &d.Crates, TakesFile: true},
		&cli.StringFlag{Name: "bundles-out", Usage: "`DIR` of the bundles, if it is elsewhere", Destination: &d.Bundles, TakesFile: true},
		&cli.StringFlag{Name: "deep-out", Usage: "`DIR` of the deep archive, if it is elsewhere", Destination: &d.Deep, TakesFile: true},
	}
}

// manifestFlag is for those commands that write the audit log.
func (d *dirs) manifestFlag() cli.Flag {
	return &cli.StringFlag{Name: "manifest", Usage: "audit log of the run in `FILE`; an earlier one is moved aside. /dev/null, /dev/stdout and FIFOs are written to. Default: manifest.jsonl in -mirror, or beside -out if that alone is given", Destination: &d.Manifest, TakesFile: true}
}

// logDirFlag is for those commands that deal with the log of statements.
func (d *dirs) logDirFlag() cli.Flag {
	return &cli.StringFlag{Name: "log-dir", Usage: "`DIR` of the log of statements. Default: log in -mirror, or beside -out if that alone is given", Destination: &d.Statements, TakesFile: true}
}

// defaultMirror is ~/Rust-Crates, as v1.1.0's Clone-Index.py has it.
func defaultMirror() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return "Rust-Crates"
	}
	return filepath.Join(home, "Rust-Crates")
}

// fill names the folders that no flag named.
func (d *dirs) fill() {
	if d.Crates != "" && d.Root == defaultMirror() { // not in a home folder that has no mirror
		d.Manifest = cmp.Or(d.Manifest, filepath.Join(d.Crates, "..", home.ManifestName))
		d.Statements = cmp.Or(d.Statements, filepath.Join(d.Crates, "..", home.StatementsName))
	}
	d.Fill()
}

// commandToReindex is what makes a mirror of the crates in folders, which needs no
// network.
func commandToReindex(d *home.Dirs) string {
	command := "clonecratesio reindex"
	if d.Root != defaultMirror() {
		command += " -mirror " + shellQuote(d.Root)
	}
	usual := home.Dirs{Root: d.Root}
	usual.Fill()
	for _, f := range []struct{ flag, dir, usual string }{
		{"index-dir", d.Index, usual.Index}, {"out", d.Crates, usual.Crates}, {"bundles-out", d.Bundles, usual.Bundles}, {"deep-out", d.Deep, usual.Deep},
	} {
		if f.dir != f.usual {
			command += " -" + f.flag + " " + shellQuote(f.dir)
		}
	}
	return command
}

// shellQuote quotes an argument for people to copy, where it has to be.
func shellQuote(s string) string {
	if strings.ContainsAny(s, " \t\n\"'`$&|;<>()*?[]#~!{}\\") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}
