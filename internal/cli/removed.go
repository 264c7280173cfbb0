package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/status"
)

// statusRemoved lists what the index has stopped naming.
func (a *App) statusRemoved(ctx context.Context, cfg *statusConfig) error {
	var out bytes.Buffer // of the last reading
	err := cfg.dirs.ReadCatalog(ctx, func(c *catalog.Catalog) error {
		out.Reset()
		if cfg.json {
			return status.EachRemoval(ctx, c, func(r *status.Removal) error { return printJSON(&out, r) })
		}
		return printRemovals(ctx, &out, c)
	})
	if err != nil {
		return err
	}
	_, err = out.WriteTo(a.Stdout)
	return err
}

func printRemovals(ctx context.Context, out io.Writer, c *catalog.Catalog) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	n := 0
	err := status.EachRemoval(ctx, c, func(r *status.Removal) error {
		n++
		fmt.Fprintf(w, "%s %s\t%s\t%s\t%s\t%.12s\n", human.Printable(r.Crate), human.Printable(r.Version), removalWords(r), r.Seen.Format(time.DateOnly), r.SHA256, r.Commit)
		return nil
	})
	if err == nil && n == 0 {
		fmt.Fprintln(w, "the index names all that was ever held")
	}
	if err != nil {
		return err
	}
	return w.Flush()
}

// removalWords says what was removed, and whether it came back.
func removalWords(r *status.Removal) string {
	what := map[string]string{
		catalog.RemovedCrate: "crate removed", catalog.RemovedVersion: "version removed", catalog.RemovedChecksum: "other bytes",
	}[r.Scope]
	if !r.Returned.IsZero() {
		what += ", returned " + r.Returned.Format(time.DateOnly)
	}
	return what
}
