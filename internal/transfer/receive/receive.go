// Package receive takes transfers (package transfer is the format) into a mirror.
//
// # Order
//
//  1. Find: the manifests on the media, and those that one of the keys has signed; which
//     of them comes next here.
//  2. Stage: every file is copied to this disk and hashed on its way, from wherever it is
//     whole; what is lost everywhere is rebuilt from parity. What is staged stays, so that
//     volumes may come one at a time, and so do the pieces that are left of damaged files.
//  3. Check: every bundle is read to its last byte and every member hashed, the index is
//     checked by git beside the one that is here, facts are read. Up to here nothing of
//     the mirror has changed.
//  4. Take: bundles and segments get their numbers, and the catalog is told what is in
//     them. What is served does not change by that, since the index does not name it yet;
//     but that what the sending side has blocked is hidden here as well, which Back leaves.
//  5. Switch: the index moves, at one instant, and with it what is served.
//  6. Record: the catalog learns what the index says now, as in any run, the log of
//     statements is continued, and the mirror notes at which point it is.
//
// A kill or power cut at any instant leaves a mirror that serves what it did before 5, or
// all of what came behind it; the same command continues. Back leads to before 5 again.
//
//	bundles/.arriving/     files of transfers that are staged
//	deep/.arriving/        segments, likewise
//	.clonecratesio/received.json  at which point the mirror is, and the one before
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

// Config names the volumes and the mirror that takes them.
type Config struct {
	Home home.Config // of the mirror; its Bundles.Write must be set
	From []string    // folders of media: of volumes, or of some
	// Keys: one of them must have signed the manifest. If there are none, any consistent
	// manifest is taken.
	Keys         []*signing.Verifier
	AcceptShrink bool         // take an index that has lost many crates
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

// A Result is the outcome.
type Result struct {
	At       transfer.Point // the mirror is there now
	Taken    []*transfer.Manifest
	Rebuilt  int   // files that were lost or damaged on all media
	Held     int64 // crate files
	Lacking  int64 // that the sending side holds and this one does not, as far as can be told by counting
	Same     bool  // just what the sending side holds is held
	Summary  *mirror.Summary
	Policies []string // files of policies that came
}

// Run takes all transfers on the media that come next, one after the other. If there is
// none, nothing is done.
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
	if j, err = readJournal(&cfg.Home.Dirs); err != nil { // another one may have run meanwhile
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

// refusePlain refuses an index that is no git repository, which takes no commits, while
// nothing of the mirror has changed.
func refusePlain(dir string) error {
	if _, err := os.Stat(filepath.Join(dir, "config.json")); err != nil {
		return nil
	}
	if _, err := carry.Repository(dir); errors.Is(err, index.ErrNoPast) {
		return fmt.Errorf("index %s is a plain folder, and what is carried is for a git repository: move it away, and this makes one (needs a transfer of export -full); nothing was changed", dir)
	}
	return nil
}

// taking is one transfer on its way.
type taking struct {
	cfg     *Config
	w       *home.Writer
	t       *found
	journal journal
	res     *Result

	staged map[string]*staged // by the name of the file
	stage  durable.FS         // the folder of bundles
	deep   durable.FS         // that of segments; nil: there are none in the transfer
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
