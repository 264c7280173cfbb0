package pull

import (
	"path"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/recent"
)

// dirs makes the folders for new crates; none is ever removed. Their names are made durable
// once.
type dirs struct {
	fsys  durable.FS
	known recent.Map[string, bool] // folders whose names, and those of their parents, are durable
}

// make makes a folder with a durable name.
func (d *dirs) make(dir string) error {
	if known, _ := d.known.Get(dir); known {
		return nil
	}
	if err := d.fsys.MkdirAll(dir); err != nil {
		return err
	}
	return d.sync(dir)
}

// sync makes the name of a folder and those of its parents durable.
func (d *dirs) sync(dir string) error {
	var names []string
	var syncs []func() error
	for ; dir != "."; dir = path.Dir(dir) {
		if known, _ := d.known.Get(dir); known {
			break
		}
		above := path.Dir(dir)
		names = append(names, dir)
		syncs = append(syncs, func() error { return d.fsys.SyncDir(above) })
	}
	if err := together(syncs...); err != nil {
		return err
	}
	for _, name := range names {
		d.known.Put(name, true)
	}
	return nil
}

// together runs several functions concurrently.
func together(do ...func() error) error {
	var g errgroup.Group
	for _, f := range do {
		g.Go(f)
	}
	return g.Wait()
}
