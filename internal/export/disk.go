package export

import (
	"bytes"
	"context"
	"fmt"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// disk writes the tree: unfinished files go to a separate folder, and get their names when
// they are durable. Only staging may be done concurrently.
type disk struct {
	durable.FS
	*durable.Batch
	removed durable.Dirs // from which something was removed since syncRemoved
}

// openDisk removes what an earlier run left unfinished.
func openDisk(out durable.FS, indexDir string) (*disk, error) {
	d := &disk{out, durable.NewBatch(out, tempDir, durable.Together), durable.Dirs{}}
	if err := d.Clear(); err != nil {
		return nil, fmt.Errorf("clearing unfinished files of an earlier run: %w", err)
	}
	return d, out.MkdirAll(indexDir)
}

// name gives finished files their names, durably. It may replace crate files, because the
// tree is a copy. The end of a run does not interrupt it: a batch is little work.
func (d *disk) name(files []*durable.Staged) error {
	return d.Commit(context.Background(), files, d.Replace)
}

// remove removes a file, or an empty folder.
func (d *disk) remove(name string) error {
	if err := d.Remove(name); err != nil {
		return err
	}
	d.removed[path.Dir(name)] = true
	return nil
}

// syncRemoved makes removals durable.
func (d *disk) syncRemoved() error {
	if len(d.removed) == 0 {
		return nil
	}
	dirs := d.removed
	d.removed = durable.Dirs{}
	return d.SyncDirs(dirs)
}

// has reports whether a file has this content.
func (d *disk) has(name string, content []byte) bool {
	found, err := durable.ReadFile(d.FS, name, int64(len(content)))
	return err == nil && bytes.Equal(found, content)
}
