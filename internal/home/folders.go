package home

import (
	"errors"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// OpenBundles opens the folder of bundles for reading, together with the bundles in the
// bucket. It returns nil if there is no such folder.
func (d *Dirs) OpenBundles() (durable.FS, error) { return d.open(d.Bundles, root.BundlesDir) }

// OpenDeep opens the folder of the deep archive, as OpenBundles opens that of bundles.
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

// withRemote adds the bucket's files of a folder behind those on the disk.
func (d *Dirs) withRemote(local durable.FS, named string) durable.FS {
	if d.Remote == nil {
		return local
	}
	return d.Remote.Folder(local, named)
}

// OpenIfThere opens a folder for reading. It returns nil if the folder does not exist.
func OpenIfThere(dir string) (durable.FS, error) {
	folder, err := durable.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return folder, err
}
