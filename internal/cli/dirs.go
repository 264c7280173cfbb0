package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// dirs are the folders of a mirror, for the everyday commands: -mirror names
// the folder that has them all under v1.1.0's names, and each has a flag of its
// own for those who keep it elsewhere.
type dirs struct {
	mirror                        string
	index, out, bundles, manifest string
	statements                    string
}

func (d *dirs) flags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "mirror", Value: defaultMirror(), DefaultText: "~/Rust-Crates", Usage: "`DIR` of the mirror, with crates.io-index, crates, bundles and manifest.jsonl in it", Destination: &d.mirror, TakesFile: true},
		&cli.StringFlag{Name: "index-dir", Usage: "`DIR` of the index, if it is elsewhere: a checkout, a bare repository or a plain folder", Destination: &d.index, TakesFile: true},
		&cli.StringFlag{Name: "out", Usage: "`DIR` of the crate files and of the mirror's state, if it is elsewhere", Destination: &d.out, TakesFile: true},
		&cli.StringFlag{Name: "bundles-out", Usage: "`DIR` of the bundles, if it is elsewhere", Destination: &d.bundles, TakesFile: true},
	}
}

// manifestFlag is for those commands that write the audit log.
func (d *dirs) manifestFlag() cli.Flag {
	return &cli.StringFlag{Name: "manifest", Usage: "audit log of the run in `FILE`; an earlier one is moved aside. /dev/null, /dev/stdout and FIFOs are written to. Default: manifest.jsonl in -mirror, or beside -out if that alone is given", Destination: &d.manifest, TakesFile: true}
}

// logDirFlag is for those commands that deal with the log of statements.
func (d *dirs) logDirFlag() cli.Flag {
	return &cli.StringFlag{Name: "log-dir", Usage: "`DIR` of the log of statements. Default: log in -mirror, or beside -out if that alone is given", Destination: &d.statements, TakesFile: true}
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
	if d.out != "" && d.mirror == defaultMirror() { // not in a home folder that has no mirror
		d.manifest = cmp.Or(d.manifest, filepath.Join(d.out, "..", "manifest.jsonl"))
		d.statements = cmp.Or(d.statements, filepath.Join(d.out, "..", "log"))
	}
	for _, f := range []struct {
		dir  *string
		name string
	}{{&d.index, "crates.io-index"}, {&d.out, "crates"}, {&d.bundles, "bundles"}, {&d.manifest, "manifest.jsonl"}, {&d.statements, "log"}} {
		if *f.dir == "" {
			*f.dir = filepath.Join(d.mirror, f.name)
		}
	}
}

// openIndex opens the mirror's index, and says where one comes from if there is
// none.
func (d *dirs) openIndex(ctx context.Context, log *slog.Logger) (*index.Index, error) {
	ix, err := index.Open(ctx, d.index, index.Options{Log: log})
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w: clonecratesio sync clones it, or: git clone --bare --depth 1 %s %s", err, index.DefaultURL, d.index)
	}
	return ix, err
}

// check refuses folders in which there is no mirror, or none with a catalog, for
// commands that do not make one.
func (d *dirs) check() error {
	if err := d.checkState(); err != nil {
		return err
	}
	return d.checkCatalog()
}

// checkState refuses folders in which no program of ours has written.
func (d *dirs) checkState() error {
	_, err := os.Stat(filepath.Join(d.out, loose.StateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return &noMirrorError{dir: d.out, reindex: d.reindexCommand()}
	}
	if err != nil {
		return fmt.Errorf("opening the mirror: %w", err)
	}
	return nil
}

// checkCatalog refuses folders in which there are crates and no catalog of them.
func (d *dirs) checkCatalog() error {
	if _, err := os.Stat(catalogPath(d.out)); !errors.Is(err, fs.ErrNotExist) {
		return nil // whoever opens it tells what else is wrong
	}
	if command := d.reindexCommand(); command != "" {
		return &noMirrorError{dir: d.out, reindex: command}
	}
	return nil
}

// reindexCommand is what makes a mirror of the files that are there, which needs
// no network; empty: there are none.
func (d *dirs) reindexCommand() string {
	if !hasBundles(d.bundles) && !hasCrates(d.out, 0) {
		return ""
	}
	command := "clonecratesio reindex"
	if d.mirror != defaultMirror() {
		command += " -mirror " + shellQuote(d.mirror)
	}
	for _, f := range []struct{ flag, dir, name string }{
		{"index-dir", d.index, "crates.io-index"}, {"out", d.out, "crates"}, {"bundles-out", d.bundles, "bundles"},
	} {
		if f.dir != filepath.Join(d.mirror, f.name) {
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

// hasCrates reports whether there is a crate file in the shard layout, whose
// folders have short names and are two deep.
func hasCrates(dir string, depth int) bool {
	const deepest, longest = 2, 4
	entries, _ := os.ReadDir(dir) // whoever opens it tells what is wrong
	return slices.ContainsFunc(entries, func(e os.DirEntry) bool {
		if e.IsDir() {
			return depth < deepest && len(e.Name()) <= longest && hasCrates(filepath.Join(dir, e.Name()), depth+1)
		}
		_, err := crate.ParseFileName(e.Name())
		return err == nil
	})
}
