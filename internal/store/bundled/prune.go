package bundled

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/trash"
)

// Copy appends a member of another bundle to the current one, if its bytes have the
// checksum, and returns where they will be after the next Checkpoint. Errors:
// *crate.ChecksumError; bundle.ErrBroken if the bundle cannot be written.
func (s *Store) Copy(ctx context.Context, key crate.Key, from store.Placement) (store.Placement, error) {
	c, err := s.Open(ctx, key, from.InBundle())
	if err != nil {
		return store.Placement{}, err
	}
	defer c.Close()
	return s.add(key.ID, func(p *part) (bundle.Member, error) {
		return p.AppendFrom(key.ID, c, c.Size(), &key.Checksum)
	})
}

// Release closes a bundle once its readers are done, because some systems cannot rename or
// remove an open file.
func (s *Store) Release(name string) error { return s.readers.drop(name) }

// Trash durably moves a finished bundle and its manifest to the trash of a day, and removes
// its line from the list of bundles. It skips completed steps, so call it again after a
// crash.
func (s *Store) Trash(name string, date time.Time) error {
	return s.drop(name, func(file string) error {
		return trash.Move(s.cfg.Folder, []string{file}, date, trash.Each(s.cfg.Folder))
	})
}

// Discard removes a bundle that is no longer needed, because its members are stored, and
// were verified, elsewhere.
func (s *Store) Discard(name string) error {
	return s.drop(name, func(file string) error {
		if err := s.cfg.Folder.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return s.cfg.Folder.SyncDir(".")
	})
}

// drop removes a bundle and the files beside it, one after the other, by calls of away.
func (s *Store) drop(name string, away func(file string) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("removing %s: %w", name, err)
		}
	}()
	named, err := bundle.ParseFileName(name)
	if err != nil {
		return err
	}
	claims, err := lists.FindClaims(s.cfg.Folder)
	if err != nil {
		return err
	}
	if err := s.readers.drop(name); err != nil { // some systems cannot rename an open file
		return err
	}
	// The bundle goes first, because a bundle without a manifest would get one again.
	for _, file := range append([]string{name}, claims.Beside(name)...) {
		if err := away(file); err != nil {
			return err
		}
	}
	return lists.RemoveFromCatalog(s.cfg.Folder, named)
}
