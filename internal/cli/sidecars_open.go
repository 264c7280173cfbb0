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
	"github.com/APTlantis/Mirror-Rust-Crates/internal/sidecar"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// openedSidecars is what a run has open.
type openedSidecars struct{ closers []func() error }

// close closes what is open, the last one first.
func (s *openedSidecars) close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	return errors.Join(errs...)
}

// openSidecars opens what the job reads beside the index, and last what it writes
// to. Nothing is touched but the lock before that is held.
func (a *App) openSidecars(ctx context.Context, cfg *sidecarsConfig, job *sidecar.Config) (_ *openedSidecars, err error) {
	s := new(openedSidecars)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	dir, name := cfg.out, loose.StateDir+"/sidecars" // of the lock and the scratch file, in dir
	if cfg.mode != "files" {
		dir, name = filepath.Split(cfg.target())
	}
	fsys, err := a.folder(filepath.Clean(dir))
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, fsys.Close)
	if err := fsys.MkdirAll(path.Dir(name)); err != nil {
		return nil, err
	}
	lock, err := durable.Lock(filepath.Join(dir, name+".lock"), durable.Self(filepath.Base(os.Args[0])+" -out "+cfg.target()))
	if err != nil {
		return nil, err
	}
	s.closers = append(s.closers, lock.Release)
	if err := s.openCrates(ctx, cfg, job); err != nil {
		return nil, err
	}
	if err := s.openPlaces(ctx, cfg, job, fsys, name+".manifest"+sidecar.PartExt); err != nil {
		return nil, err
	}
	job.Output, err = newOutput(cfg, fsys)
	return s, err
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
	s.closers = append(s.closers, job.Places.Close)
	return nil
}

func newOutput(cfg *sidecarsConfig, fsys durable.FS) (sidecar.Output, error) {
	switch cfg.mode {
	case "jsonl":
		return sidecar.NewJSONL(fsys, filepath.Base(cfg.jsonlOut))
	case "parquet":
		return sidecar.NewParquet(fsys, filepath.Base(cfg.parquetOut))
	}
	return sidecar.NewFiles(fsys)
}

// openCrates opens a mirror for reading, if one is asked for.
func (s *openedSidecars) openCrates(ctx context.Context, cfg *sidecarsConfig, job *sidecar.Config) error {
	if !cfg.insides {
		return nil
	}
	st, done, err := readFiles(cfg.mirrorOut, cfg.bundlesOut)
	if err != nil {
		return err
	}
	s.closers = append(s.closers, done)
	job.Crates = &sidecar.Crates{Store: st}
	follower, err := catalog.Follow(ctx, catalogPath(cfg.mirrorOut))
	if err != nil {
		return err
	}
	s.closers = append(s.closers, follower.Close)
	live := liveCatalog{follower}
	if _, err = live.Revision(ctx); errors.Is(err, fs.ErrNotExist) {
		job.Log.Warn("the mirror has no catalog: crates in bundles are not found", "mirror", cfg.mirrorOut)
		return nil
	}
	job.Crates.Catalog = live
	return err
}
