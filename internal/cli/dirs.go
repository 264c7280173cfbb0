package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// dirs are the folders of a mirror, for the everyday commands: -mirror names
// the folder that has them all under v1.1.0's names, and each has a flag of its
// own for those who keep it elsewhere.
type dirs struct {
	mirror                        string
	index, out, bundles, manifest string
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
	return &cli.StringFlag{Name: "manifest", Usage: "audit log of the run in `FILE`, if it is elsewhere; an earlier one is moved aside", Destination: &d.manifest, TakesFile: true}
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
	for _, f := range []struct {
		dir  *string
		name string
	}{{&d.index, "crates.io-index"}, {&d.out, "crates"}, {&d.bundles, "bundles"}, {&d.manifest, "manifest.jsonl"}} {
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

// check refuses folders in which there is no mirror, for commands that do not
// make one.
func (d *dirs) check() error {
	_, err := os.Stat(filepath.Join(d.out, loose.StateDir))
	if errors.Is(err, fs.ErrNotExist) {
		return &noMirrorError{d.out}
	}
	if err != nil {
		return fmt.Errorf("opening the mirror: %w", err)
	}
	return nil
}
