package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verify"
)

// verification is a mirror that is opened to be verified, by one process at a
// time, and what is known of it.
type verification struct {
	*home.Reader
	state  durable.FS
	lock   *durable.Lockfile // nil: the mirror can only be read here
	cursor verify.Cursor
	found  []verify.Problem // the first of each row that is bad, at most verify.MaxBad
}

// verification opens a mirror, calls do, and makes durable how far that came.
func (a *App) verification(ctx context.Context, cfg *verifyConfig, log *slog.Logger, do func(*verification) error) (v *verification, err error) {
	v = new(verification)
	if v.Reader, err = home.OpenReader(ctx, &cfg.Dirs); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, v.Reader.Close()) }()
	state, err := durable.Open(cfg.State())
	if err != nil {
		return nil, err
	}
	v.state = a.Disk(state)
	defer func() { err = errors.Join(err, v.state.Close()) }()
	if err := v.takeLock(&cfg.Dirs, log); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, v.release()) }()
	if v.cursor, err = verify.ReadCursor(v.state); err != nil {
		return nil, err
	}
	err = do(v)
	return v, errors.Join(err, v.keepCursor())
}

// takeLock keeps two runs from one cursor. A medium, or another user's
// mirror, that can only be read is verified without either.
func (v *verification) takeLock(d *home.Dirs, log *slog.Logger) (err error) {
	v.lock, err = durable.Lock(d.VerifyLock(), durable.Self(filepath.Base(os.Args[0])+" verify -out "+d.Crates))
	if errors.Is(err, durable.ErrReadOnly) || errors.Is(err, fs.ErrPermission) {
		log.Info("the mirror can only be read here: it is verified without a checkpoint, and a run that is stopped begins again at the first crate", "out", d.Crates)
		return nil
	}
	return err
}

func (v *verification) release() error {
	if v.lock == nil {
		return nil
	}
	return v.lock.Release()
}

func (v *verification) keepCursor() error {
	if v.lock == nil {
		return nil
	}
	return v.cursor.Write(v.state)
}

// note notes a problem. The copies of the same bytes come one after the other.
func (v *verification) note(p verify.Problem) {
	if n := len(v.found); n < verify.MaxBad && (n == 0 || v.found[n-1].Key() != p.Key()) {
		v.found = append(v.found, p)
	}
}

// bad tells what can be fetched from what cannot: bytes that versions had before.
func (v *verification) bad() (entries []plan.Item, superseded []crate.Key) {
	for i := range v.found {
		p := &v.found[i]
		if p.SupersededAt.IsZero() {
			entries = append(entries, plan.Item{ID: p.ID, Checksum: p.Checksum})
		} else {
			superseded = append(superseded, p.Key())
		}
	}
	return entries, superseded
}

// advance notes how far a run has come.
func (v *verification) advance(s *verify.Summary) {
	ids := make([]crate.ID, len(v.found))
	for i := range v.found {
		ids[i] = v.found[i].ID
	}
	v.cursor.Advance(s, ids, time.Now().UTC())
}

// errSliceEnds: -max-duration is over.
var errSliceEnds = errors.New("-max-duration is over")

// sweep is one run over what is held, from where the last one stopped.
func (a *App) sweep(ctx context.Context, cfg *verifyConfig, v *verification, show *console.Display, log *slog.Logger) error {
	if cfg.restart || v.cursor.Begun.IsZero() || v.lock == nil {
		v.cursor.Begin(time.Now().UTC())
	}
	totals, err := v.Catalog.Totals(ctx)
	if err != nil {
		return err
	}
	if cfg.maxDuration > 0 {
		slice, stop := context.WithTimeoutCause(ctx, cfg.maxDuration, errSliceEnds)
		defer stop()
		ctx = slice
	}
	job := verify.Config{
		Catalog: v.Catalog, Store: v.Store, Again: v.cursor.Bad, After: v.cursor.After, Progress: new(verify.Progress),
		Found: func(p verify.Problem) error {
			v.note(p)
			_, err := fmt.Fprintf(a.Stdout, "%s: %s\n", p.Kind, human.Printable(p.Err.Error()))
			return err
		},
	}
	followed := show.Follow(verifying(job.Progress, v.cursor.Versions, totals), log)
	s, err := verify.Run(ctx, job)
	followed()
	v.advance(s)
	printSweep(a.Stdout, s, &v.cursor, totals)
	if errors.Is(err, errSliceEnds) {
		return nil
	}
	return err
}

// lookAgain looks at what is bad, after it was repaired.
func (v *verification) lookAgain(ctx context.Context) error {
	s, err := verify.Again(ctx, verify.Config{
		Catalog: v.Catalog, Store: v.Store, Again: v.cursor.Bad, After: v.cursor.After,
		Found: func(p verify.Problem) error { v.note(p); return nil },
	})
	v.advance(s)
	return err
}

// verifying is the state of a sweep.
func verifying(p *verify.Progress, before int64, totals catalog.Totals) func() console.State {
	begun := time.Now()
	return func() console.State {
		versions, bytes, problems := p.Counts()
		s := console.State{Done: before + versions, Total: totals.Versions, Processed: versions}
		rate := int64(float64(bytes) / max(time.Since(begun).Seconds(), 0.001))
		s.Line = fmt.Sprintf(" %s of %s, %s/s", human.Count(s.Done), human.Count(s.Total), human.Size(rate))
		if problems > 0 {
			s.Line += fmt.Sprintf(", %s bad", human.Count(problems))
		}
		s.Attrs = []any{"versions", s.Done, "total", s.Total, "bytes", bytes, "bad", problems}
		return s
	}
}
