// Package treecli has the command that imports crates that other programs have downloaded:
// its flags, its help and its exit codes. Package importtree finds what a tree has, and
// package mirror stores it.
package treecli

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/follow"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/importtree"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

// config is the flags of import-tree.
type config struct {
	dirs       flags.Dirs
	from       []string
	link       bool
	reflink    string
	namesOnly  bool
	durability flags.Durability
	bundle     bool
	mode       string
	size       flags.BundleSize
	log        flags.Log
	progress   flags.Progress
}

//go:embed help/import-tree.txt
var help string

// ImportTree returns the command; exitCodes ends its help.
func ImportTree(a *program.App, exitCodes string) *cli.Command {
	var cfg config
	list := append(cfg.dirs.Flags(), cfg.dirs.ManifestFlag(),
		&cli.StringSliceFlag{Name: "from", Usage: "import the crate files in `DIR` and in folders below it; may be repeated", Destination: &cfg.from, TakesFile: true},
		&cli.BoolFlag{Name: "link", Usage: "hard-link files instead of copying them: a program that writes to one changes both", Destination: &cfg.link},
		&cli.StringFlag{Name: "reflink", Value: "auto", Usage: "`auto|never`: share bytes between files instead of copying where the file system can", Destination: &cfg.reflink},
		&cli.BoolFlag{Name: "names-only", Usage: "skip files whose names do not tell the version, instead of hashing them", Destination: &cfg.namesOnly},
		cfg.durability.Flag(),
		&cli.BoolFlag{Name: "bundle", Usage: "store crates in bundles, .tar.zst files of many crates each", Destination: &cfg.bundle},
		&cli.StringFlag{Name: "bundle-mode", Value: "only", Usage: "`only|add`: keep only the bundled copy, or the loose file, too", Destination: &cfg.mode},
		cfg.size.Flag(),
	)
	list = append(list, cfg.log.Flags()...)
	return &cli.Command{
		Name:         "import-tree",
		Usage:        "import crate files that panamax, romt, cargo or another program downloaded",
		ArgsUsage:    "-from DIR [-from DIR2] [-mirror DIR] [-link | -bundle] [options]",
		Description:  help + "\n" + exitCodes,
		Flags:        append(list, cfg.progress.Flags()...),
		OnUsageError: program.OnUsageError,
		Action:       program.Action(cfg.check, func(ctx context.Context) error { return cfg.start(ctx, a) }),
	}
}

// check rejects contradicting flags, before anything is touched.
func (cfg *config) check() error {
	cfg.dirs.Fill()
	switch {
	case len(cfg.from) == 0:
		return flags.Usagef("provide -from, the folder that has crate files")
	case cfg.link && cfg.bundle:
		return flags.Usagef("-link makes loose files: it does not go with -bundle")
	case cfg.reflink != "auto" && cfg.reflink != "never":
		return flags.Usagef("-reflink %q is neither auto nor never", cfg.reflink)
	case cfg.mode != "only" && cfg.mode != "add":
		return flags.Usagef("-bundle-mode %q is neither only nor add", cfg.mode)
	}
	for _, dir := range cfg.from {
		if err := cfg.checkTree(dir); err != nil {
			return err
		}
	}
	return errors.Join(cfg.size.Check(), cfg.durability.Check(), cfg.log.Check(), cfg.progress.Check())
}

// checkTree rejects what is not a folder, and the mirror itself.
func (cfg *config) checkTree(dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "opening", Path: dir, Err: errors.New("it is no folder")}
	}
	if err != nil {
		return flags.Usagef("-from: %w", err)
	}
	for _, own := range cfg.own() {
		if os.SameFile(own, info) {
			return flags.Usagef("-from %s is the mirror itself; for files that are in it already run clonecratesio reindex", dir)
		}
	}
	return nil
}

// own returns the existing folders of the mirror.
func (cfg *config) own() (infos []fs.FileInfo) {
	for _, dir := range []string{cfg.dirs.Crates, cfg.dirs.Bundles, cfg.dirs.DeepOrUsual(), cfg.dirs.Index} {
		if info, err := os.Stat(dir); err == nil {
			infos = append(infos, info)
		}
	}
	return infos
}

// start opens the trees and runs the command.
func (cfg *config) start(ctx context.Context, a *program.App) (err error) {
	show, log := cfg.progress.Terminal(a.Stderr, &cfg.log)
	var trees []*importtree.Tree
	defer func() {
		for _, t := range trees {
			err = errors.Join(err, t.Close())
		}
	}()
	for _, dir := range cfg.from {
		t, err := importtree.OpenTree(dir)
		if err != nil {
			return err
		}
		trees = append(trees, t)
	}
	if err := cfg.bringIndex(ctx, trees, log); err != nil {
		return err
	}
	ix, err := cfg.dirs.OpenIndex(ctx, log)
	if err != nil {
		return err
	}
	defer ix.Close()
	if err := ix.CheckNotEmpty(ctx); err != nil {
		return fmt.Errorf("reading the index %s: %w", cfg.dirs.Index, err)
	}
	run := cfg.run()
	if err := run.Origin.Resolve(ctx, ix, log); err != nil {
		return err
	}
	session, to, err := openSession(ctx, a, &run, show, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	job := &job{cfg: cfg, run: &run, index: ix, trees: trees, show: show, log: log}
	err = follow.Open(ctx, &session, func(s *follow.Session) error { return job.do(ctx, s) })
	job.print(to.Results(a.Stdout, a.Stderr))
	return err
}

// run returns the flags in the form common to runs.
func (cfg *config) run() flags.Run {
	return flags.Run{
		Home: cfg.dirs.Dirs, Durability: cfg.durability, Bundle: cfg.bundle, BundleMode: cfg.mode, BundleSize: cfg.size,
		Net: flags.Net{Protocol: "auto", Concurrency: runtime.GOMAXPROCS(0)},
	}
}

// sharing returns how the mirror gets the bytes of files.
func (cfg *config) sharing() importtree.Sharing {
	switch {
	case cfg.link:
		return importtree.Link
	case cfg.reflink == "never" || cfg.bundle:
		return importtree.Copy
	}
	return importtree.Reflink
}

// search searches the trees.
func (j *job) search(ctx context.Context, scratch durable.FS) (*importtree.Import, error) {
	progress := importtree.NewProgress()
	defer j.show.Follow(func() console.State { return progress.State() }, j.log)()
	return importtree.Open(ctx, importtree.Config{
		Trees: j.trees, Index: j.index, Scratch: scratch, Skip: j.cfg.own(), NamesOnly: j.cfg.namesOnly,
		Sharing: j.cfg.sharing(), Progress: progress, Log: j.log,
	})
}
