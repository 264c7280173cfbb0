package doctor

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

// FactsOf returns what is known of a mirror without asking its server.
func FactsOf(ctx context.Context, d *home.Dirs, v *reader.View) (*Facts, error) {
	totals, err := totalsOf(ctx, d)
	if err != nil {
		return nil, err
	}
	now := totals.Versions - totals.Superseded // cargo gets only current bytes
	f := &Facts{Crates: totals.Crates, Versions: now, IndexTime: v.Totals().CommitTime}
	if run, ok := v.Run(); ok && !run.Live(time.Now()) && run.Result != runstate.Complete {
		f.LastRun = cmp.Or(run.Result, "it broke off")
	}
	return f, nil
}

// totalsOf returns the totals of a mirror, or zero if there is no catalog.
func totalsOf(ctx context.Context, d *home.Dirs) (catalog.Totals, error) {
	r, err := home.OpenReader(ctx, d)
	if errors.Is(err, fs.ErrNotExist) {
		return catalog.Totals{}, nil
	}
	if err != nil {
		return catalog.Totals{}, err
	}
	totals, err := r.Catalog.Totals(ctx)
	return totals, errors.Join(err, r.Close())
}

// Print prints a result and its advice.
func (r *Result) Print(w io.Writer) {
	fmt.Fprintf(w, "%-8s %-8s %s\n", r.Status, r.Check, human.Printable(r.Text))
	if r.Advice != "" {
		fmt.Fprintf(w, "%18s-> %s\n", "", human.Printable(r.Advice))
	}
}
