package cli

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
	"github.com/APTlantis/Mirror-Rust-Crates/internal/sidecar"
)

// openedSidecars is what a run has open.
type openedSidecars struct{ home.Closers }

// openSidecars opens what the job reads beside the index, and last what it writes
// to. Nothing is touched but the lock before that is held. A stream is open
// already: it has no lock, and what is sorted goes to the system's temporary folder.
func (a *App) openSidecars(ctx context.Context, cfg *sidecarsConfig, to target, job *sidecar.Config) (_ *openedSidecars, err error) {
	s := new(openedSidecars)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	dir, name := cfg.out, sidecar.WorkDir // of the lock and the scratch file, in dir
	switch {
	case to.stream != nil:
		dir, name = os.TempDir(), durable.TempName(".")
	case cfg.mode != "files":
		dir, name = filepath.Split(to.file)
	}
	fsys, err := home.CreateFolder(filepath.Clean(dir), a.Disk)
	if err != nil {
		return nil, err
	}
	s.Add(fsys.Close)
	if to.stream == nil {
		err = s.takeLock(fsys, dir, name+".lock", cfg.target())
	}
	if err != nil {
		return nil, err
	}
	if err := s.openCrates(ctx, cfg, job); err != nil {
		return nil, err
	}
	if err := s.openPlaces(ctx, cfg, job, fsys, name+".manifest"+sidecar.PartExt); err != nil {
		return nil, err
	}
	job.Output, err = newOutput(cfg, to, fsys)
	return s, err
}

// takeLock sees to it that no other run writes there.
func (s *openedSidecars) takeLock(fsys durable.FS, dir, name, target string) error {
	if err := fsys.MkdirAll(path.Dir(name)); err != nil {
		return err
	}
	lock, err := durable.Lock(filepath.Join(dir, name), owner(target))
	if err == nil {
		s.Add(lock.Release)
	}
	return err
}

// openPlaces reads the manifest of a download, if one is given.
func (s *openedSidecars) openPlaces(ctx context.Context, cfg *sidecarsConfig, job *sidecar.Config, fsys durable.FS, scratch string) error {
	if cfg.manifest == "" {
		return nil
	}
	f, err := os.Open(cfg.manifest)
	if err != nil {
		return err
	}
	defer f.Close()
	if job.Places, err = sidecar.ReadPlaces(ctx, f, fsys, scratch, job.Log); err != nil {
		return err
	}
	s.Add(job.Places.Close)
	return nil
}

func newOutput(cfg *sidecarsConfig, to target, fsys durable.FS) (sidecar.Output, error) {
	switch {
	case cfg.mode == "files":
		return sidecar.NewFiles(fsys)
	case cfg.mode == "jsonl" && to.stream != nil:
		return sidecar.StreamJSONL(to.stream, to.file), nil
	case cfg.mode == "jsonl":
		return sidecar.NewJSONL(fsys, filepath.Base(to.file))
	case to.stream != nil:
		return sidecar.StreamParquet(to.stream, to.file), nil
	}
	return sidecar.NewParquet(fsys, filepath.Base(to.file))
}

// openCrates opens a mirror for reading, if one is asked for.
func (s *openedSidecars) openCrates(ctx context.Context, cfg *sidecarsConfig, job *sidecar.Config) error {
	if !cfg.insides {
		return nil
	}
	d := home.Dirs{Crates: cfg.mirrorOut, Bundles: cfg.bundlesOut}
	st, err := home.OpenStores(&d)
	if err != nil {
		return err
	}
	s.Add(st.Close)
	if err := st.Check(); err != nil {
		return err
	}
	job.Crates = &sidecar.Crates{Store: st}
	follower, err := catalog.Follow(ctx, d.Catalog())
	if err != nil {
		return err
	}
	s.Add(follower.Close)
	live := catalog.Live{Follower: follower}
	if _, err = live.Revision(ctx); errors.Is(err, fs.ErrNotExist) {
		job.Log.Warn("the mirror has no catalog: crates in bundles are not found", "mirror", cfg.mirrorOut)
		return nil
	}
	job.Crates.Catalog = live
	return err
}
