// Package receive imports transfers (package transfer has the format) into a mirror.
//
// # Steps
//
//  1. Find: search the media for manifests that one of the keys has signed, and choose
//     the next one.
//  2. Stage: copy every file to this disk and hash it meanwhile, from wherever it is
//     complete; rebuild files that are lost everywhere from parity. Staged files stay, so
//     that volumes may come one at a time, and so do remaining pieces of damaged files.
//  3. Check: read every bundle completely and hash every member, let git check the index
//     beside ours, and read the facts. Up to here nothing of the mirror
//     has changed.
//  4. Take: give bundles and segments their numbers, and record their content in the
//     catalog. This does not change what is served, because the index does not name it
//     yet, except that blocks of the sending side apply here as well; Back keeps them.
//  5. Switch: move the index, atomically, and with it what is served.
//  6. Record: update the catalog from the index, as in any run, append to the log of
//     statements, and record the point of the mirror.
//
// After a kill or power failure at any time, the mirror serves its state before step 5 or
// after it, and the same command resumes the import. Back returns to the state before step
// 5.
//
//	bundles/.arriving/     staged files of transfers
//	deep/.arriving/        segments, likewise
//	.clonecratesio/received.json  the point of the mirror, and the previous one
package receive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/carry"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/mirror"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/signing"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// Config configures an import.
type Config struct {
	Home home.Config // of the mirror; its Bundles.Write must be set
	From []string    // folders of media: volumes, or folders with volumes
	// Keys: one of these keys must have signed the manifest. If there are none, any
	// consistent manifest is accepted.
	Keys         []*signing.Verifier
	AcceptShrink bool         // accept an index that has lost many crates
	Log          *slog.Logger // must not be nil
	Progress     *mirror.Progress
	Medium       func(dir string) (durable.FS, error) // opens a folder of a medium; default: durable.Open
}

// open opens a folder of a medium.
func (cfg *Config) open(dir string) (durable.FS, error) {
	if cfg.Medium != nil {
		return cfg.Medium(dir)
	}
	return durable.Open(dir)
}

// A Result is the outcome of an import.
type Result struct {
	At       transfer.Point // where the mirror is now
	Taken    []*transfer.Manifest
	Rebuilt  int   // files that were lost or damaged on all media
	Held     int64 // crate files
	Lacking  int64 // that the sending side holds and this one lacks, as far as counting tells
	Same     bool  // this side holds exactly what the sending side holds
	Summary  *mirror.Summary
	Policies []string // imported policy files
}

// Run imports all transfers on the media that come next, one after the other. If there is none,
// it does nothing.
//
// Errors: *NoTransferError, *BaseError, *OlderError, *MissingError; *signing.UnknownSignersError;
// *durable.HeldError, durable.ErrNoSpace; those of clone.Update and mirror.Run.
func Run(ctx context.Context, cfg Config) (res *Result, err error) {
	found, err := find(&cfg)
	if err != nil {
		return nil, err
	}
	j, err := readJournal(&cfg.Home.Dirs)
	if err != nil {
		return nil, err
	}
	res = &Result{At: j.At}
	t, err := found.next(j.At, cfg.AcceptShrink)
	if err != nil || t == nil && !hasLeft(&cfg.Home.Dirs) { // before anything is made or locked
		return res, err
	}
	if err := refusePlain(cfg.Home.Dirs.Index); err != nil {
		return nil, err
	}
	w, err := home.Open(ctx, cfg.Home)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	if j, err = readJournal(&cfg.Home.Dirs); err != nil { // another import may have run meanwhile
		return nil, err
	}
	for {
		t, err := found.next(j.At, cfg.AcceptShrink)
		if err != nil {
			return res, err
		}
		if t == nil {
			return res, sweepAll(&cfg, w)
		}
		job := &taking{cfg: &cfg, w: w, t: t, journal: j, res: res}
		if err := job.run(ctx); err != nil {
			return res, fmt.Errorf("transfer %s: %w", t.manifest.End.ID(), err)
		}
		j = job.journal
		res.At, res.Taken = j.At, append(res.Taken, t.manifest)
	}
}

// refusePlain refuses an index that is not a git repository, and so cannot have commits,
// while nothing of the mirror has changed.
func refusePlain(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "config.json")); err != nil {
		return nil
	}
	if _, err := carry.Repository(dir); errors.Is(err, index.ErrNoPast) {
		return fmt.Errorf("index %s is a plain folder, and the transfer is for a git repository: move it away, and this makes one (needs a transfer of export -full); nothing was changed", dir)
	}
	return nil
}

// taking is the import of one transfer.
type taking struct {
	cfg     *Config
	w       *home.Writer
	t       *found
	journal journal
	res     *Result

	staged map[string]*staged // by name of the file
	stage  durable.FS         // the folder of bundles
	deep   durable.FS         // folder of segments; nil: the transfer has none
}

// stageAndCheck stages all files, and again those that were damaged since.
func (k *taking) stageAndCheck(ctx context.Context) error {
	for tries := len(k.t.manifest.Files); ; tries-- {
		if err := k.stageAll(ctx); err != nil {
			return err
		}
		err := k.check(ctx)
		if errors.Is(err, errStale) && tries > 0 {
			continue
		}
		if err != nil {
			err = fmt.Errorf("nothing was changed: %w", err)
		}
		return err
	}
}

func (k *taking) run(ctx context.Context) error {
	if err := k.openStage(); err != nil {
		return err
	}
	for _, folder := range k.folders() {
		if err := sweep(folder, k.t.manifest.Folder()); err != nil {
			return err
		}
	}
	if err := k.stageAndCheck(ctx); err != nil {
		return err
	}
	before := k.journal
	if err := k.note(ctx); err != nil {
		return err
	}
	if err := k.take(ctx); err != nil {
		return err
	}
	if err := k.move(ctx); err != nil {
		return errors.Join(err, k.forget(before))
	}
	if err := k.record(ctx); err != nil {
		return err
	}
	for _, folder := range k.folders() {
		if err := sweep(folder, ""); err != nil {
			return err
		}
	}
	return nil
}
