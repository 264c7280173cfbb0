package replica

import (
	"context"
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// maxList bounds a list, in bytes: 3 million of our lines.
const maxList = 1 << 30

// batch is the number of rows that are written at a time.
const batch = 4096

// A ListError says that a list beside a bundle contradicts the root. Nothing in it was
// used.
type ListError struct {
	List string
	Err  error
}

func (e *ListError) Error() string { return fmt.Sprintf("%s cannot be used: %v", e.List, e.Err) }

func (e *ListError) Unwrap() error { return e.Err }

// checkLists downloads the lists of bundles, and checks all of them before any is used.
func (r *Replica) checkLists(ctx context.Context, bundles []*root.File) error {
	for _, f := range bundles {
		if len(f.Lists) == 0 {
			return &ListError{f.Name, fmt.Errorf("there is no list of what is in it")}
		}
		entries, bytes := 0, int64(0)
		for i := range f.Lists {
			l := &f.Lists[i]
			if l.Size > maxList {
				return &ListError{l.Name, fmt.Errorf("it has %d bytes, %d are the most", l.Size, int64(maxList))}
			}
			if err := r.in.Fetch(ctx, root.BundlesDir, l); err != nil {
				return err
			}
			err := r.in.ReadList(ctx, f, l, func(e *lists.ManifestEntry) error {
				entries, bytes = entries+1, bytes+e.Size
				if entries > bundle.MaxMembers || bytes < 0 {
					return bundle.ErrTooMany
				}
				return nil
			})
			if err != nil {
				return &ListError{l.Name, err}
			}
		}
		if entries != f.Entries || bytes != f.Bytes {
			return &ListError{f.Lists[0].Name, fmt.Errorf("%d crates of %d bytes are in it, the root says %d of %d", entries, bytes, f.Entries, f.Bytes)}
		}
	}
	return nil
}

// adopt records in the catalog the content of a bundle whose lists were checked, and then
// that all of it is recorded.
func (r *Replica) adopt(ctx context.Context, f *root.File) error {
	rows := make([]catalog.Version, 0, batch)
	flush := func() error {
		err := r.writer.Catalog.Adopt(ctx, rows)
		rows = rows[:0]
		return err
	}
	for i := range f.Lists {
		err := r.in.ReadList(ctx, f, &f.Lists[i], func(e *lists.ManifestEntry) error {
			rows = append(rows, catalog.Version{ID: e.ID, Checksum: e.Checksum, Size: e.Size,
				Placement: store.Placement{Bundle: f.Name, Offset: e.Offset, FrameSize: e.FrameSize}})
			if len(rows) < batch {
				return nil
			}
			return flush()
		})
		if err != nil {
			return err
		}
	}
	if err := flush(); err != nil {
		return err
	}
	whole := catalog.Bundle{Name: f.Name, Whole: true, Entries: f.Entries, Bytes: f.Bytes, Checksum: f.SHA256}
	return r.writer.Catalog.Commit(ctx, catalog.Batch{Bundles: []catalog.Bundle{whole}})
}
