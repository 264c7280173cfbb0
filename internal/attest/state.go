package attest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/statement"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/stream"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/tilelog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/verdict"
)

// Log configures where statements are stored, and what they say of a run.
type Log struct {
	Dir      string                               // created if it is absent
	Create   func(dir string) (durable.FS, error) // default: durable.Create
	Holder   string                               // names the holder of the lock to others who want it
	Manifest string                               // the run log of the last run, if it is a file
}

// State makes a signed statement while it holds the log's lock: two mirrors may share a
// log. It sets those fields of cfg that come from the log and the signers. Errors:
// *IncompleteError; tilelog.ErrDamaged.
func (l Log) State(ctx context.Context, by *Signers, cfg Config) (*Result, error) {
	if l.Create == nil {
		l.Create = durable.Create
	}
	folder, err := l.Create(l.Dir)
	if err != nil {
		return nil, err
	}
	defer folder.Close()
	lock, err := durable.Lock(filepath.Join(l.Dir, ".lock"), durable.Self(l.Holder))
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	cfg.Folder, cfg.Origin, cfg.Sign, cfg.Verify = folder, by.origin, by.sign, SignedBy(by.public)
	if cfg.Manifest, err = lastRecord(l.Manifest); err != nil {
		return nil, err
	}
	r, err := Run(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("stating what is held: %w", err)
	}
	return r, by.writeFiles(folder)
}

// lastRecord returns the end of the run log of the last run, or zero if there is none or it
// is a stream.
func lastRecord(path string) (m statement.Manifest, err error) {
	file, streams, err := stream.Resolve(path)
	if streams || err != nil {
		return m, err
	}
	folder, err := durable.Open(filepath.Dir(file))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	defer folder.Close()
	m.Size, m.Chain, err = runlog.Last(folder, filepath.Base(file))
	if errors.Is(err, fs.ErrNotExist) {
		return statement.Manifest{}, nil
	}
	return m, err
}

// DamagedLog adds advice to the error of a damaged log.
func DamagedLog(err error) error {
	if errors.Is(err, tilelog.ErrDamaged) {
		return verdict.Integrityf("%v: restore the log from a copy", err)
	}
	return err
}
