package fleetcli

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// workerDirs is the prefix of the names of workers' folders.
const workerDirs = "clonecratesio-worker-"

// scratchLock is a file in such a folder, which a worker locks as long as it runs.
const scratchLock = "lock"

// newScratch creates a folder for the temporary files of a worker, and removes the folders of
// killed workers: each may have left two segments per job.
func newScratch(parent string) (dir string, remove func() error, err error) {
	if err := sweepScratch(parent); err != nil {
		return "", nil, err
	}
	if dir, err = os.MkdirTemp(parent, workerDirs); err != nil {
		return "", nil, err
	}
	held, err := durable.Lock(filepath.Join(dir, scratchLock), durable.Self("worker"))
	if err != nil {
		return "", nil, errors.Join(err, os.RemoveAll(dir))
	}
	return dir, func() error { return errors.Join(held.Release(), os.RemoveAll(dir)) }, nil
}

// sweepScratch removes the folders of workers that no longer run. It keeps a folder without a
// lock file, which is just being created.
func sweepScratch(parent string) error {
	dirs, err := filepath.Glob(filepath.Join(parent, workerDirs+"*"))
	for _, dir := range dirs {
		lock := filepath.Join(dir, scratchLock)
		if _, absent := os.Stat(lock); absent != nil {
			continue
		}
		held, locked := durable.Lock(lock, durable.Self("worker"))
		if locked != nil { // its worker runs, or belongs to another user
			continue
		}
		err = errors.Join(err, held.Release(), os.RemoveAll(dir))
	}
	return err
}
