package push

import (
	"context"
	"errors"
	"io"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// snapshotEvery is the number of roots between two snapshots of the catalog. A new replica
// reads the lists of what came since.
const snapshotEvery = 50

// snapshot pushes the catalog if it is time; otherwise it returns nil. The catalog of a
// shard does not have everything that a replica needs, so it is not pushed.
func (p *Pusher) snapshot(ctx context.Context, now *root.Root) (*root.Snapshot, error) {
	if p.session.Shard() != "" || len(now.Bundles) == 0 || now.Catalog != nil && now.Generation-now.Catalog.Generation < snapshotEvery {
		return nil, nil
	}
	copied := filepath.Join(p.cfg.Dirs.State(), tempDir, "catalog.copy")
	f, err := p.made(ctx, durable.TempName(tempDir), root.CatalogDir, root.CatalogName(now.Generation), func(w io.Writer) error {
		return p.writer.Catalog.Snapshot(ctx, copied, w)
	})
	if err != nil {
		return nil, err
	}
	return &root.Snapshot{File: f, Generation: now.Generation}, nil
}

// tempDir is the folder of temporary files below the state folder. Opening the mirror
// empties it.
const tempDir = "tmp"

// made makes a file, uploads it as an object, and removes it.
func (p *Pusher) made(ctx context.Context, temp, dir, name string, fill func(io.Writer) error) (_ root.File, err error) {
	state := p.writer.State
	if err := state.MkdirAll(tempDir); err != nil {
		return root.File{}, err
	}
	f, err := state.Create(temp)
	if err != nil {
		return root.File{}, err
	}
	defer func() { err = errors.Join(err, state.Remove(temp)) }()
	if err := errors.Join(fill(f), f.Close()); err != nil {
		return root.File{}, err
	}
	return p.object(ctx, dir, renamed{state, temp}, name, nil)
}

// renamed is a folder in which one file has every name.
type renamed struct {
	durable.FS
	file string
}

// Open implements durable.Reader.
func (r renamed) Open(string) (durable.File, error) { return r.FS.Open(r.file) }
