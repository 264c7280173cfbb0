package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/audit"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/flags"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// checkStore refuses what makes no sense of a bucket.
func (cfg *verifyConfig) checkStore() error {
	if cfg.repair || cfg.deep != "crates" {
		return flags.Usagef("-store hashes objects whole: -repair and -deep are for the folders of a mirror")
	}
	return errors.Join(cfg.store.Check(), cfg.log.Check(), cfg.progress.Check())
}

// errSlice ends a run of verify -store when its time is over.
var errSlice = errors.New("the time of this run is over")

// verifyStore hashes what is in a bucket. How far it came is kept in the mirror's folder,
// if there is one.
func (a *App) verifyStore(ctx context.Context, cfg *verifyConfig, log *slog.Logger) error {
	b, err := cfg.store.Open(ctx, true, log)
	if err != nil {
		return err
	}
	r, _, err := root.Read(ctx, b, "")
	if err != nil {
		return fmt.Errorf("reading the root of %s: %w", b, err)
	}
	state, err := durable.Open(cfg.dirs.State())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil {
		state = nil
	} else {
		defer state.Close()
	}
	s, err := a.audit(ctx, cfg, b, r, state)
	if err != nil {
		return err
	}
	if err := a.printLeftovers(ctx, b, r); err != nil {
		return err
	}
	return auditVerdict(s)
}

// audit hashes for as long as the run may take, and says what is wrong as it is found.
func (a *App) audit(ctx context.Context, cfg *verifyConfig, b bucket.Reader, r *root.Root, state durable.FS) (*audit.Summary, error) {
	cursor := audit.Cursor{Mirror: r.ID}
	if state != nil && !cfg.restart {
		var err error
		if cursor, err = audit.ReadCursor(state, r.ID); err != nil {
			return nil, err
		}
	}
	limited := ctx
	if d := time.Duration(cfg.maxDuration); d > 0 {
		var stop context.CancelFunc
		limited, stop = context.WithTimeoutCause(ctx, d, errSlice)
		defer stop()
	}
	s, err := audit.Run(limited, audit.Config{
		Bucket: b, Root: r, After: cursor.After,
		Found: func(p audit.Problem) error {
			_, err := fmt.Fprintf(a.Stdout, "%s: %s\n", p.Kind, human.Printable(p.Err.Error()))
			return err
		},
	})
	if errors.Is(err, errSlice) {
		err = nil
	}
	if cursor.After = s.Last; s.Complete {
		cursor.After = ""
	}
	if state != nil {
		err = errors.Join(err, cursor.Write(state))
	}
	fmt.Fprintf(a.Stdout, "%s hashed, %s, of the %d that the root of generation %d names\n", human.Plural(s.Objects, "object"), human.Size(s.Bytes), len(audit.Objects(r)), r.Generation)
	return s, err
}

// printLeftovers lists what no root names. It is never removed by us: by its age alone
// nobody can tell whether a writer is about to name it.
func (a *App) printLeftovers(ctx context.Context, b bucket.Reader, r *root.Root) error {
	return audit.Leftovers(ctx, b, r, func(o bucket.Object) error {
		_, err := fmt.Fprintf(a.Stdout, "leftover: %s, %s, of %s\n", human.Printable(o.Key), human.Size(o.Size), o.Modified.UTC().Format(time.RFC3339))
		return err
	})
}

func auditVerdict(s *audit.Summary) error {
	if n := s.Problems[audit.Damaged] + s.Problems[audit.Missing] + s.Problems[audit.Unreadable]; n > 0 {
		return verdict.Integrityf("%s in the bucket %s not what the root names", human.Plural(n, "object"), is(n))
	}
	if !s.Complete {
		return verdict.Incompletef("stopped before all was hashed; the next run goes on behind %s", s.Last)
	}
	return nil
}

func is(n int64) string {
	if n == 1 {
		return "is"
	}
	return "are"
}
