package receive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// arriving is the folder of staged files.
const arriving = ".arriving"

// staged is a file of the transfer on this disk.
type staged struct {
	transfer.File
	folder durable.FS
	path   string // in the folder
	taken  bool   // by an interrupted run: it has its number already
}

// openStage opens the folders in which files are staged.
func (k *taking) openStage() (err error) {
	k.stage = k.w.Bundles
	isSegment := func(f transfer.File) bool { return f.Kind() == transfer.Segment }
	if slices.ContainsFunc(k.t.manifest.Files, isSegment) || hasLeftIn(k.cfg.Home.Dirs.Deep) {
		if k.deep, err = k.w.OpenDeep(); err != nil {
			return err
		}
	}
	for _, folder := range k.folders() {
		if err := folder.MkdirAll(k.dir()); err != nil {
			return err
		}
		if err := durable.RemoveFiles(folder, k.dir(), durable.IsTemp); err != nil {
			return err
		}
	}
	return nil
}

// folderOf returns the folder in which a file is staged.
func (k *taking) folderOf(f *transfer.File) durable.FS {
	if f.Kind() == transfer.Segment {
		return k.deep
	}
	return k.stage
}

func (k *taking) folders() []durable.FS {
	if k.deep != nil {
		return []durable.FS{k.stage, k.deep}
	}
	return []durable.FS{k.stage}
}

// dir returns the transfer's folder within those.
func (k *taking) dir() string { return path.Join(arriving, k.t.manifest.Folder()) }

// hasLeft reports whether an interrupted run has left staged files.
func hasLeft(d *home.Dirs) bool { return hasLeftIn(d.Bundles) || hasLeftIn(d.Deep) }

func hasLeftIn(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, arriving))
	return err == nil
}

// sweepAll removes all staged files.
func sweepAll(cfg *Config, w *home.Writer) error {
	if hasLeftIn(cfg.Home.Dirs.Deep) {
		deep, err := w.OpenDeep()
		if err != nil {
			return err
		}
		if err := sweep(deep, ""); err != nil {
			return err
		}
	}
	return sweep(w.Bundles, "")
}

// sweep removes the staged files in a folder, except those of the given transfer: other
// transfers were imported, or will not be.
func sweep(folder durable.FS, but string) error {
	transfers, err := folder.ReadDir(arriving)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, t := range transfers {
		if t.Name() == but {
			continue
		}
		dir := path.Join(arriving, t.Name())
		if err := durable.RemoveFiles(folder, dir, func(string) bool { return true }); err != nil {
			return err
		}
		if err := folder.Remove(dir); err != nil {
			return err
		}
	}
	if but != "" {
		return nil
	}
	if err := folder.Remove(arriving); err != nil {
		return err
	}
	return folder.SyncDir(".")
}

// A MissingError lists the files of a transfer that are neither here nor on the media, and
// cannot be rebuilt.
type MissingError struct {
	Transfer *transfer.Manifest
	Files    map[string]error // why each is not here
	Lost     error            // why parity does not help; nil: there is none
}

func (e *MissingError) Error() string {
	volumes := map[int]bool{}
	var names []string
	for _, f := range e.Transfer.Files {
		if err := e.Files[f.Name]; err != nil {
			volumes[f.Volume] = true
			names = append(names, fmt.Sprintf("%s (%v)", f.Name, err))
		}
	}
	word := "volume"
	if len(volumes) > 1 {
		word = "volumes"
	}
	text := fmt.Sprintf("nothing was changed; bring %s %s of %d of transfer %s", word, ranges(slices.Sorted(maps.Keys(volumes))), e.Transfer.Volumes, e.Transfer.End.ID())
	const most = 3
	if more := len(names) - most; more > 0 {
		names = append(names[:most], fmt.Sprintf("%d files more", more))
	}
	text += ": " + strings.Join(names, ", ")
	if e.Lost != nil {
		text += "; parity does not help: " + e.Lost.Error()
	}
	return text
}

// ranges formats a sorted list of numbers: "1, 3-12".
func ranges(numbers []int) string {
	var list []string
	for i := 0; i < len(numbers); {
		k := i
		for k+1 < len(numbers) && numbers[k+1] == numbers[k]+1 {
			k++
		}
		if k == i {
			list = append(list, fmt.Sprint(numbers[i]))
		} else {
			list = append(list, fmt.Sprintf("%d-%d", numbers[i], numbers[k]))
		}
		i = k + 1
	}
	return strings.Join(list, ", ")
}

var errNotThere = errors.New("not there")

// stageAll copies all files of the transfer to this disk. Errors: *MissingError.
func (k *taking) stageAll(ctx context.Context) error {
	if err := k.known(ctx); err != nil {
		return err
	}
	if err := k.free(); err != nil {
		return err
	}
	lost := map[string]error{}
	for _, s := range k.inOrder() {
		if err := context.Cause(ctx); err != nil {
			return err
		}
		if s.taken || k.isThere(s) {
			continue
		}
		err := k.copy(ctx, s)
		if isOurs(ctx, err) {
			return cmp.Or(context.Cause(ctx), err)
		}
		if err != nil {
			lost[s.Name] = err
		}
	}
	if len(lost) == 0 {
		return nil
	}
	missing := &MissingError{Transfer: k.t.manifest, Files: lost}
	if k.t.manifest.Parity == 0 {
		return missing
	}
	missing.Lost = k.rebuild(ctx, lost)
	if missing.Lost != nil && !isOurs(ctx, missing.Lost) {
		missing.Lost = cmp.Or(k.keep(ctx, lost), missing.Lost)
	}
	switch {
	case missing.Lost == nil:
		return nil
	case isOurs(ctx, missing.Lost):
		return cmp.Or(context.Cause(ctx), missing.Lost)
	}
	return missing
}

// known finds out where each file will be, and whether it was imported already.
func (k *taking) known(ctx context.Context) error {
	bundles, err := k.w.Catalog.Bundles(ctx)
	if err != nil {
		return err
	}
	segments, err := k.w.Catalog.Segments(ctx)
	if err != nil {
		return err
	}
	have := map[crate.Checksum]bool{}
	for _, b := range append(bundles, segments...) {
		if b.Whole && !b.Thrown() {
			have[b.Checksum] = true
		}
	}
	k.staged = map[string]*staged{}
	for _, f := range k.t.manifest.Files {
		s := &staged{File: f, folder: k.stage, path: path.Join(k.dir(), f.Name)}
		switch f.Kind() {
		case transfer.Segment:
			s.folder, s.taken = k.deep, have[f.SHA256]
		case transfer.Bundle:
			s.taken = have[f.SHA256]
		case transfer.Index, transfer.Facts, transfer.Log, transfer.Hidden:
		default:
			continue
		}
		k.staged[f.Name] = s
	}
	return nil
}

// inOrder returns the files in the order of the manifest.
func (k *taking) inOrder() (list []*staged) {
	for _, f := range k.t.manifest.Files {
		if s := k.staged[f.Name]; s != nil {
			list = append(list, s)
		}
	}
	return list
}

// isThere reports whether an earlier run has staged a file.
func (k *taking) isThere(s *staged) bool {
	info, err := s.folder.Stat(s.path)
	return err == nil && info.Size() == s.Size
}

// free returns an error if this disk has no room for the transfer.
func (k *taking) free() error {
	var bytes, files int64
	for _, s := range k.staged {
		if !s.taken && !k.isThere(s) {
			bytes, files = bytes+s.Size, files+1
		}
	}
	const reserve = 64 << 20
	return durable.CheckFree(k.stage, k.cfg.Home.Dirs.Bundles, bytes, files, reserve)
}

// errMedium is wrapped in errors of media, for which others may substitute.
var errMedium = errors.New("it cannot be read on the medium")

// A diskError is an error of this disk: another volume does not help.
type diskError struct{ error }

func (e diskError) Unwrap() error { return e.error }

// onDisk marks an error as one of this disk.
func onDisk(err error) error {
	if err == nil {
		return nil
	}
	return diskError{err}
}

// isOurs reports whether an error is on this side, so that another volume would not help.
func isOurs(ctx context.Context, err error) bool {
	return err != nil && (errors.As(err, new(diskError)) || context.Cause(ctx) != nil)
}

// copy copies a file from a medium on which it is complete. The error describes the best
// copy, or this disk: diskError.
func (k *taking) copy(ctx context.Context, s *staged) error {
	if s.Size == 0 { // nothing can be lost
		return onDisk(durable.WriteFile(s.folder, s.path, nil))
	}
	why := errNotThere
	for _, dir := range k.t.folders {
		medium, err := k.cfg.open(dir)
		if err != nil {
			why = fmt.Errorf("%w: %w", errMedium, err)
			continue
		}
		err = k.copyFrom(ctx, medium, s)
		medium.Close()
		if err == nil || isOurs(ctx, err) {
			return err
		}
		if !errors.Is(err, fs.ErrNotExist) {
			why = err
		}
	}
	return why
}

func (k *taking) copyFrom(ctx context.Context, medium durable.Reader, s *staged) error {
	in, err := medium.Open(s.Name)
	if errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errMedium, err)
	}
	defer in.Close()
	out, err := durable.CreateWhole(s.folder, s.path, "")
	if err != nil {
		return onDisk(err)
	}
	from := &mediumReader{r: store.Until(ctx, io.LimitReader(in, s.Size+1))}
	sum, size, err := crate.Hash(io.TeeReader(from, out))
	switch {
	case err != nil && from.err != nil && context.Cause(ctx) == nil:
		err = fmt.Errorf("%w: %w", errMedium, from.err)
	case err != nil:
		err = onDisk(err)
	case size < s.Size:
		err = fmt.Errorf("it is cut off after %d of %d bytes", size, s.Size)
	case size > s.Size || sum != s.SHA256:
		err = errors.New("it was changed: its sha256 is another one")
	}
	if err != nil {
		return errors.Join(err, onDisk(out.Discard()))
	}
	return onDisk(out.Replace())
}

// mediumReader distinguishes errors of a medium from those of this disk.
type mediumReader struct {
	r   io.Reader
	err error
}

func (m *mediumReader) Read(p []byte) (int, error) {
	n, err := m.r.Read(p)
	if err != nil && err != io.EOF {
		m.err = err
	}
	return n, err
}
