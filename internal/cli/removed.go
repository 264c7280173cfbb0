package cli

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
)

// removal is a line of status -removed -json.
type removal struct {
	Crate      string    `json:"crate"`
	Version    string    `json:"version"`
	SHA256     string    `json:"sha256"`
	Scope      string    `json:"scope"`                // what the index stopped naming: crate, version, or checksum
	Seen       time.Time `json:"seen"`                 // by the run that saw it
	Commit     string    `json:"index_commit"`         // in which that run saw it; empty: before it was noted
	CommitTime time.Time `json:"index_time,omitzero"`  // of the commit
	Returned   time.Time `json:"returned_at,omitzero"` // when the index named it again
}

// statusRemoved lists what the index has stopped naming.
func (a *App) statusRemoved(ctx context.Context, cfg *statusConfig) error {
	var out bytes.Buffer // of the last reading
	err := cfg.ReadCatalog(ctx, func(c *catalog.Catalog) error {
		out.Reset()
		if cfg.json {
			return eachRemoval(ctx, c, func(r *removal) error { return writeLine(&out, r) })
		}
		return printRemovals(ctx, &out, c)
	})
	if err != nil {
		return err
	}
	_, err = out.WriteTo(a.Stdout)
	return err
}

func eachRemoval(ctx context.Context, c *catalog.Catalog, do func(*removal) error) error {
	for r, err := range c.Removed(ctx, false) {
		if err == nil {
			err = do(&removal{
				Crate: r.Name, Version: r.Version, SHA256: r.Checksum.String(), Scope: r.Scope, Seen: r.Seen,
				Commit: r.At.Commit, CommitTime: r.At.Time, Returned: r.Returned,
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func writeLine(out io.Writer, r *removal) error {
	line, err := json.Marshal(r)
	if err == nil {
		_, err = out.Write(append(line, '\n'))
	}
	return err
}

func printRemovals(ctx context.Context, out io.Writer, c *catalog.Catalog) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	n := 0
	err := eachRemoval(ctx, c, func(r *removal) error {
		n++
		fmt.Fprintf(w, "%s %s\t%s\t%s\t%s\t%.12s\n", human.Printable(r.Crate), human.Printable(r.Version), r.what(), r.Seen.Format(time.DateOnly), r.SHA256, r.Commit)
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

// what says what was removed, and whether it came back.
func (r *removal) what() string {
	what := map[string]string{
		catalog.RemovedCrate: "crate removed", catalog.RemovedVersion: "version removed", catalog.RemovedChecksum: "other bytes",
	}[r.Scope]
	if !r.Returned.IsZero() {
		what += ", returned " + r.Returned.Format(time.DateOnly)
	}
	return what
}
