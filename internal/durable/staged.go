package durable

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
)

// A Staged is a file of a [Batch]: it is written and finished, and Commit gives it its
// name. Until then it must not be used concurrently.
type Staged struct {
	batch      *Batch
	temp, name string // temp is empty once it has its name
	file       File   // nil once finished or discarded
	turn       uint64 // order in which it was finished
	synced     bool   // synced by itself
	linked     bool   // a link to an existing file, which must not be written to

	// Err is why it did not get its name, once Commit has returned nil.
	Err error
}

// stagedDirs is the number of folders for waiting files: a name is looked up in its folder
// by one goroutine at a time. With a single folder, a batch takes a tenth more system time;
// 256 were no faster than 16, and take as many inodes.
const stagedDirs = 16

// newStaged makes a file with create, under a base name or, if that is empty, one that this
// process has not used.
func (b *Batch) newStaged(base string, create func(temp string) (File, error)) (*Staged, error) {
	n := b.temps.Add(1)
	if base == "" {
		base = fmt.Sprintf("%016x", n)
	}
	temp := fmt.Sprintf("%s/%x/%s", b.dir, n%stagedDirs, base)
	f, err := create(temp)
	if errors.Is(err, fs.ErrNotExist) {
		if err = b.fsys.MkdirAll(path.Dir(temp)); err == nil {
			f, err = create(temp)
		}
	}
	if err != nil {
		return nil, err
	}
	return &Staged{batch: b, temp: temp, file: f}, nil
}

// Create starts a file.
func (b *Batch) Create() (*Staged, error) { return b.newStaged("", b.fsys.Create) }

// CreateAs is like Create with a base name that says what the file will be, for a later
// process that finds it after a kill ([Batch.StageFound]). The name is not guaranteed: it
// may be in use, or too long.
func (b *Batch) CreateAs(base string) (*Staged, error) {
	if f, err := b.newStaged(base, b.fsys.Create); err == nil || IsBroken(err) {
		return f, err
	}
	return b.Create()
}

// Stage writes a file with the content of src, and finishes it.
func (b *Batch) Stage(name string, src io.Reader) (*Staged, error) {
	f, err := b.Create()
	if err != nil {
		return nil, err
	}
	if _, err = io.Copy(f, src); err != nil {
		return nil, errors.Join(err, f.Discard())
	}
	return f, f.Finish(name)
}

// StageLink makes a hard link to a file whose bytes are durable; see [Link] and its errors.
func (b *Batch) StageLink(name string, to File) (*Staged, error) {
	f, err := b.newStaged("", func(temp string) (File, error) { return nil, Link(to, b.fsys, temp) })
	if err == nil {
		f.name, f.synced = name, true
	}
	return f, err
}

// StageFound returns a file that was finished before, but may not be durable: at temp,
// where a killed process left it, or, if that is empty, already under its name.
func (b *Batch) StageFound(temp, name string) *Staged {
	return &Staged{batch: b, temp: temp, name: name, turn: b.nextTurn()}
}

// Clone makes an empty file share the bytes of another one; see [Clone] and its errors.
func (f *Staged) Clone(from File) error { return Clone(f.file, from) }

// Link makes an empty file a hard link to another one, whose bytes need not be durable; see
// [Link] and its errors. The file can then not be written to; after errors.ErrUnsupported
// it still can.
func (f *Staged) Link(to File) error {
	linked, err := f.batch.newStaged("", func(temp string) (File, error) { return nil, Link(to, f.batch.fsys, temp) })
	if err != nil {
		return err
	}
	err = f.Discard()
	f.temp, f.linked = linked.temp, true
	return err
}

// Write implements io.Writer.
func (f *Staged) Write(p []byte) (int, error) { return f.file.Write(p) }

// ReadAt implements io.ReaderAt.
func (f *Staged) ReadAt(p []byte, off int64) (int, error) { return f.file.ReadAt(p, off) }

// Stat describes what was written so far.
func (f *Staged) Stat() (fs.FileInfo, error) { return f.file.Stat() }

// Reset discards what was written.
func (f *Staged) Reset() error {
	if err := f.file.Truncate(0); err != nil {
		return err
	}
	_, err := f.file.Seek(0, io.SeekStart)
	return err
}

// Finish ends the writing, and sets the final name of the file. On error the file is
// discarded. (An error of Close counts: some file systems report a full disk only then.)
func (f *Staged) Finish(name string) (err error) {
	if b := f.batch; b.when == PerFile || b.when == Together && b.each.Load() {
		if f.linked {
			err = f.sync()
		} else {
			err = f.file.Sync()
		}
		f.synced = true
	}
	if err == nil && !f.linked {
		err, f.file = f.file.Close(), nil
	}
	if err != nil {
		return errors.Join(err, f.Discard())
	}
	f.name, f.turn = name, f.batch.nextTurn()
	return nil
}

func (b *Batch) nextTurn() uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.finished++
	return b.finished
}

// LeaveAs renames a finished file as [Batch.CreateAs] would have named it, if possible.
func (f *Staged) LeaveAs(base string) {
	temp := path.Join(path.Dir(f.temp), base)
	if f.batch.fsys.Replace(f.temp, temp) == nil { // it may still have to be opened again and synced
		f.temp = temp
	}
}

// Discard removes a file that does not wait for Commit.
func (f *Staged) Discard() (err error) {
	if f.file != nil {
		err, f.file = f.file.Close(), nil
	}
	return errors.Join(err, f.batch.fsys.Remove(f.temp))
}

// sync makes the bytes durable.
func (f *Staged) sync() error {
	if f.synced || f.batch.when == Never {
		return nil
	}
	if f.temp == "" {
		return SyncFile(f.batch.fsys, f.name)
	}
	if f.linked {
		return SyncFile(f.batch.fsys, f.temp)
	}
	file, err := f.batch.fsys.Append(f.temp) // some systems sync only files open for writing
	if err != nil {
		return err
	}
	err = cmp.Or(file.Sync(), file.Close())
	f.synced = err == nil
	return err
}

// SyncFile makes the bytes of a file with a final name durable; such a file is never opened
// for writing. Windows cannot sync such files; there the writer must have done it.
func SyncFile(fsys Reader, name string) error {
	f, err := fsys.Open(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if err = f.Sync(); errors.Is(err, fs.ErrPermission) {
		err = nil
	}
	return errors.Join(err, f.Close())
}
