package home

import (
	"errors"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// OpenBundles opens the folder of bundles for reading, with what the bucket has of
// them; nil: there is none.
func (d *Dirs) OpenBundles() (durable.FS, error) { return d.open(d.Bundles, root.BundlesDir) }

// OpenDeep opens the folder of the deep archive as OpenBundles does that of bundles.
func (d *Dirs) OpenDeep() (durable.FS, error) { return d.open(d.DeepOrUsual(), root.DeepDir) }

func (d *Dirs) open(dir, named string) (durable.FS, error) {
	if dir == "" {
		return nil, nil
	}
	if d.Remote == nil {
		return OpenIfThere(dir)
	}
	local, err := durable.Create(dir)
	if err != nil {
		return nil, err
	}
	return d.withRemote(local, named), nil
}

// withRemote puts what the bucket has in a folder of its own behind one on the disk.
func (d *Dirs) withRemote(local durable.FS, named string) durable.FS {
	if d.Remote == nil {
		return local
	}
	return d.Remote.Folder(local, named)
}

// OpenIfThere opens a folder for reading; nil: there is none.
func OpenIfThere(dir string) (durable.FS, error) {
	folder, err := durable.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return folder, err
}
