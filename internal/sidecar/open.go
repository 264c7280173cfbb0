package sidecar

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
)

// Mode is the form of sidecars.
type Mode string

// The modes.
const (
	ModeFiles   Mode = "files"   // one file per version
	ModeJSONL   Mode = "jsonl"   // one line per version, in one file
	ModeParquet Mode = "parquet" // a row a version, in one file
)

// Target says where to write sidecars, and what to read for them besides the index.
type Target struct {
	Mode     Mode
	Dir      string       // of ModeFiles
	File     string       // of the other modes, with symbolic links resolved
	Stream   durable.File // written to instead of File; nil: none
	Manifest string       // of a download; adds the places of crates; empty: none
	Mirror   *home.Dirs   // whose crates are read for their Cargo.toml; nil: none

	Create func(dir string) (durable.FS, error) // opens a folder, and makes it if necessary
	Owner  durable.Owner                        // recorded in the lock as its holder
}

// Opened is what a run has open.
type Opened struct{ home.Closers }

// Open opens what the job reads besides the index, and last what it writes to. Until it
// holds the lock, it touches nothing else. A stream has no lock, and then the system's
// temporary folder is used for sorting.
func (t *Target) Open(ctx context.Context, job *Config) (_ *Opened, err error) {
	o := new(Opened)
	defer func() {
		if err != nil {
			err = errors.Join(err, o.Close())
		}
	}()
	dir, name := t.Dir, WorkDir // of the lock and the scratch file, in dir
	switch {
	case t.Stream != nil:
		dir, name = os.TempDir(), durable.TempName(".")
	case t.Mode != ModeFiles:
		dir, name = filepath.Split(t.File)
	}
	fsys, err := t.Create(filepath.Clean(dir))
	if err != nil {
		return nil, err
	}
	o.Add(fsys.Close)
	if t.Stream == nil {
		err = o.takeLock(fsys, dir, name+".lock", t.Owner)
	}
	if err != nil {
		return nil, err
	}
	if err := o.openCrates(ctx, t.Mirror, job); err != nil {
		return nil, err
	}
	if err := o.openPlaces(ctx, t.Manifest, job, fsys, name+".manifest"+PartExt); err != nil {
		return nil, err
	}
	job.Output, err = t.output(fsys)
	return o, err
}

// takeLock ensures that no other run writes there.
func (o *Opened) takeLock(fsys durable.FS, dir, name string, owner durable.Owner) error {
	if err := fsys.MkdirAll(path.Dir(name)); err != nil {
		return err
	}
	lock, err := durable.Lock(filepath.Join(dir, name), owner)
	if err == nil {
		o.Add(lock.Release)
	}
	return err
}

// openPlaces reads the manifest of a download, if there is one.
func (o *Opened) openPlaces(ctx context.Context, manifest string, job *Config, fsys durable.FS, scratch string) error {
	if manifest == "" {
		return nil
	}
	f, err := os.Open(manifest)
	if err != nil {
		return err
	}
	defer f.Close()
	if job.Places, err = ReadPlaces(ctx, f, fsys, scratch, job.Log); err != nil {
		return err
	}
	o.Add(job.Places.Close)
	return nil
}

func (t *Target) output(fsys durable.FS) (Output, error) {
	switch {
	case t.Mode == ModeFiles:
		return NewFiles(fsys)
	case t.Mode == ModeJSONL && t.Stream != nil:
		return StreamJSONL(t.Stream, t.File), nil
	case t.Mode == ModeJSONL:
		return NewJSONL(fsys, filepath.Base(t.File))
	case t.Stream != nil:
		return StreamParquet(t.Stream, t.File), nil
	}
	return NewParquet(fsys, filepath.Base(t.File))
}

// openCrates opens a mirror for reading, if one is wanted.
func (o *Opened) openCrates(ctx context.Context, d *home.Dirs, job *Config) error {
	if d == nil {
		return nil
	}
	st, err := home.OpenStores(d, home.Limits{})
	if err != nil {
		return err
	}
	o.Add(st.Close)
	if err := st.Check(); err != nil {
		return err
	}
	job.Crates = &Crates{Store: st}
	follower, err := catalog.Follow(ctx, d.Catalog())
	if err != nil {
		return err
	}
	o.Add(follower.Close)
	live := catalog.Live{Follower: follower}
	if _, err = live.Revision(ctx); errors.Is(err, fs.ErrNotExist) {
		job.Log.Warn("the mirror has no catalog: cannot find crates in bundles", "mirror", d.Crates)
		return nil
	}
	job.Crates.Catalog = live
	return err
}
