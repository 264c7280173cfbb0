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
	ModeFiles   Mode = "files"   // a file a version
	ModeJSONL   Mode = "jsonl"   // a line a version, in one file
	ModeParquet Mode = "parquet" // a row a version, in one file
)

// Target says where sidecars go, and what is read for them beside the index.
type Target struct {
	Mode     Mode
	Dir      string       // of ModeFiles
	File     string       // of the others, at the end of symbolic links
	Stream   durable.File // that is written to in its place; nil: it is a file
	Manifest string       // of a download, whose places of crates are added; empty: none
	Mirror   *home.Dirs   // whose crates are asked what they say of themselves; nil: none

	Create func(dir string) (durable.FS, error) // opens a folder, made if it is absent
	Owner  durable.Owner                        // what the lock says of its holder
}

// Opened is what a run has open.
type Opened struct{ home.Closers }

// Open opens what the job reads beside the index, and last what it writes to. Nothing
// is touched but the lock before that is held. A stream has no lock, and what is
// sorted goes to the system's temporary folder.
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

// takeLock sees to it that no other run writes there.
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

// openPlaces reads the manifest of a download, if one is given.
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

// openCrates opens a mirror for reading, if one is asked for.
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
		job.Log.Warn("the mirror has no catalog: crates in bundles are not found", "mirror", d.Crates)
		return nil
	}
	job.Crates.Catalog = live
	return err
}
