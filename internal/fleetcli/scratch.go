package fleetcli

import (
	"errors"
	"os"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// workerDirs begins the names of the folders of workers.
const workerDirs = "clonecratesio-worker-"

// scratchLock is a file in such a folder that is locked for as long as its worker lives.
const scratchLock = "lock"

// newScratch makes a folder for the temporary files of a worker, and removes those of
// workers that were killed: each may have left two segments a job.
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

// sweepScratch removes the folders of workers that have ended. One without a lock is just
// being made.
func sweepScratch(parent string) error {
	dirs, err := filepath.Glob(filepath.Join(parent, workerDirs+"*"))
	for _, dir := range dirs {
		lock := filepath.Join(dir, scratchLock)
		if _, absent := os.Stat(lock); absent != nil {
			continue
		}
		held, locked := durable.Lock(lock, durable.Self("worker"))
		if locked != nil { // it lives, or is another user's
			continue
		}
		err = errors.Join(err, held.Release(), os.RemoveAll(dir))
	}
	return err
}
