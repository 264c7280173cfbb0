package flags

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
)

// Dirs has the flags that name the folders of a mirror. -mirror is the folder that contains
// all of them, under the names that v1.1.0 used. Each folder also has its own flag, for users
// who keep it elsewhere.
type Dirs struct{ home.Dirs }

// Flags returns the flags.
func (d *Dirs) Flags() []cli.Flag {
	return under(folders,
		&cli.StringFlag{Name: "mirror", Value: DefaultMirror(), DefaultText: "~/Rust-Crates", Sources: cli.EnvVars("CLONECRATESIO_MIRROR"), Usage: "use the mirror in `DIR`, which has crates.io-index, crates, bundles and manifest.jsonl", Destination: &d.Root, TakesFile: true},
		&cli.StringFlag{Name: "index-dir", Usage: "read the index from `DIR` instead: a checkout, a bare repository or a plain folder", Destination: &d.Index, TakesFile: true},
		&cli.StringFlag{Name: "out", Usage: "keep crate files and the mirror's state in `DIR` instead", Destination: &d.Crates, TakesFile: true},
		&cli.StringFlag{Name: "bundles-out", Usage: "keep bundles in `DIR` instead", Destination: &d.Bundles, TakesFile: true},
		&cli.StringFlag{Name: "deep-out", Usage: "keep the deep archive in `DIR` instead", Destination: &d.Deep, TakesFile: true},
	)
}

// ManifestFlag returns the flag of commands that write the run log.
func (d *Dirs) ManifestFlag() cli.Flag {
	return &cli.StringFlag{Name: "manifest", Category: folders, Usage: "write the audit log of the run to `FILE`, after moving an earlier one aside; /dev/null, /dev/stdout and FIFOs work. Default: manifest.jsonl in -mirror, or beside -out if only that is given", Destination: &d.Manifest, TakesFile: true}
}

// LogDirFlag returns the flag of commands that use the log of statements.
func (d *Dirs) LogDirFlag() cli.Flag {
	return &cli.StringFlag{Name: "log-dir", Category: folders, Usage: "keep the log of statements in `DIR`. Default: log in -mirror, or beside -out if only that is given", Destination: &d.Statements, TakesFile: true}
}

// DefaultMirror returns ~/Rust-Crates, like v1.1.0's Clone-Index.py.
func DefaultMirror() string {
	home, err := os.UserHomeDir()
	if err != nil {
		return "Rust-Crates"
	}
	return filepath.Join(home, "Rust-Crates")
}

// Fill sets the folders that no flag has set.
func (d *Dirs) Fill() {
	if d.Crates != "" && d.Root == DefaultMirror() { // write nothing to a default mirror that may not exist
		d.Manifest = cmp.Or(d.Manifest, filepath.Join(d.Crates, "..", home.ManifestName))
		d.Statements = cmp.Or(d.Statements, filepath.Join(d.Crates, "..", home.StatementsName))
	}
	d.Dirs.Fill()
}

// CommandToReindex returns the command that makes a mirror of the crates in folders,
// without network.
func CommandToReindex(d *home.Dirs) string {
	command := "clonecratesio reindex"
	if d.Root != DefaultMirror() {
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

// shellQuote quotes an argument, if needed, for users to copy.
func shellQuote(s string) string {
	if strings.ContainsAny(s, " \t\n\"'`$&|;<>()*?[]#~!{}\\") {
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	return s
}
