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

// Copy appends a member of another bundle to the one that is being written, if its
// bytes have the checksum, and returns where they will be after the next
// Checkpoint. Errors: *crate.ChecksumError; bundle.ErrBroken if it cannot be
// written.
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

// Release closes a bundle as soon as its readers are done: some systems cannot rename or
// remove an open file.
func (s *Store) Release(name string) error { return s.readers.drop(name) }

// Trash moves a finished bundle, and its manifest, to the trash of a day, durably, and
// takes its line from the catalog of the folder. Steps that are done already are skipped:
// call it again after a crash.
func (s *Store) Trash(name string, date time.Time) error {
	return s.drop(name, func(file string) error {
		return trash.Move(s.cfg.Folder, []string{file}, date, trash.Each(s.cfg.Folder))
	})
}

// Discard is Trash of a bundle that is not needed any more: its members are stored
// elsewhere, and were verified there.
func (s *Store) Discard(name string) error {
	return s.drop(name, func(file string) error {
		if err := s.cfg.Folder.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return s.cfg.Folder.SyncDir(".")
	})
}

// drop takes a bundle and what belongs to it away, one file after the other.
func (s *Store) drop(name string, away func(file string) error) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("throwing %s away: %w", name, err)
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
	if err := s.readers.drop(name); err != nil { // some systems rename no file that is open
		return err
	}
	// The bundle first: one that has no manifest would get it again.
	for _, file := range append([]string{name}, claims.Beside(name)...) {
		if err := away(file); err != nil {
			return err
		}
	}
	return lists.RemoveFromCatalog(s.cfg.Folder, named)
}
