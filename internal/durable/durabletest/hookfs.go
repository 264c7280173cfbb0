package durabletest

import (
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Open implements durable.FS.
func (h *Hooked) Open(name string) (durable.File, error) { return h.file(OpOpen, name, h.fs.Open) }

// Create implements durable.FS.
func (h *Hooked) Create(name string) (durable.File, error) { return h.create(name, h.fs.Create) }

// CreatePrivate implements durable.FS.
func (h *Hooked) CreatePrivate(name string) (durable.File, error) {
	return h.create(name, h.fs.CreatePrivate)
}

func (h *Hooked) create(name string, create func(string) (durable.File, error)) (durable.File, error) {
	f, err := h.file(OpCreate, name, create)
	if err == nil {
		h.setDead(name, nil)
	}
	return f, err
}

// Append implements durable.FS.
func (h *Hooked) Append(name string) (durable.File, error) {
	f, err := h.file(OpAppend, name, h.fs.Append)
	if err == nil {
		h.setDead(name, nil)
	}
	return f, err
}

// Stat implements durable.FS.
func (h *Hooked) Stat(name string) (info fs.FileInfo, err error) {
	err = h.do(OpStat, name, "", func() (err error) {
		info, err = h.fs.Stat(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return info, nil
}

// ReadDir implements durable.FS.
func (h *Hooked) ReadDir(name string) (entries []fs.DirEntry, err error) {
	err = h.do(OpReadDir, name, "", func() (err error) {
		entries, err = h.fs.ReadDir(name)
		return err
	})
	if err != nil {
		return nil, err
	}
	return entries, nil
}

// MkdirAll implements durable.FS.
func (h *Hooked) MkdirAll(name string) error {
	return h.do(OpMkdir, name, "", func() error { return h.fs.MkdirAll(name) })
}

// Publish implements durable.FS.
func (h *Hooked) Publish(temp, name string) error {
	return h.move(OpPublish, temp, name, h.fs.Publish)
}

// Replace implements durable.FS.
func (h *Hooked) Replace(temp, name string) error {
	return h.move(OpReplace, temp, name, h.fs.Replace)
}

// Remove implements durable.FS.
func (h *Hooked) Remove(name string) error {
	return h.do(OpRemove, name, "", func() error { return h.fs.Remove(name) })
}

// Link supports durable.Link.
func (h *Hooked) Link(f durable.File, name string) error {
	if hooked, ok := f.(*hookedFile); ok {
		f = hooked.f
	}
	return h.do(OpLink, name, "", func() error { return durable.Link(f, h.fs, name) })
}

// SyncDir implements durable.FS.
func (h *Hooked) SyncDir(name string) error {
	return h.do(OpSyncDir, name, "", func() error { return h.fs.SyncDir(name) })
}

// SyncAll implements durable.FS.
func (h *Hooked) SyncAll() error {
	err := h.do(OpSyncAll, ".", "", func() error {
		h.mu.Lock()
		err := h.all
		h.mu.Unlock()
		if err != nil {
			return err
		}
		return h.fs.SyncAll()
	})
	if err != nil {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.all = err
	}
	return err
}

// Free implements durable.FS.
func (h *Hooked) Free() (bytes, files int64, err error) {
	err = h.do(OpFree, ".", "", func() (err error) {
		bytes, files, err = h.fs.Free()
		return err
	})
	if err != nil {
		return -1, -1, err
	}
	return bytes, files, nil
}

// Close implements durable.FS.
func (h *Hooked) Close() error { return h.fs.Close() }

// hookedFile is an open file of a Hooked.
type hookedFile struct {
	h    *Hooked
	f    durable.File
	name string
	dead error // the first failed write or sync
}

var _ durable.File = (*hookedFile)(nil)

// change carries out an operation after whose failure the file is unusable.
func (f *hookedFile) change(kind Kind, run func() error) error {
	err := f.h.do(kind, f.name, "", func() error {
		if f.dead != nil {
			return f.dead
		}
		return run()
	})
	if err != nil {
		f.dead = err
		f.h.setDead(f.name, err)
	}
	return err
}

func (f *hookedFile) Read(p []byte) (n int, err error) {
	return f.read(func() (int, error) { return f.f.Read(p) })
}

func (f *hookedFile) ReadAt(p []byte, off int64) (n int, err error) {
	return f.read(func() (int, error) { return f.f.ReadAt(p, off) })
}

func (f *hookedFile) read(read func() (int, error)) (int, error) {
	if fault := f.h.ask(OpRead, f.name, ""); fault.Err != nil {
		return 0, &fs.PathError{Op: string(OpRead), Path: f.name, Err: fault.Err}
	}
	return read()
}

func (f *hookedFile) Write(p []byte) (int, error) {
	fault := f.h.ask(OpWrite, f.name, "")
	if f.dead != nil {
		return 0, f.dead
	}
	if fault.Err != nil && !fault.Persisted {
		p = p[:len(p)/2]
	}
	n, err := f.f.Write(p)
	if fault.Err != nil {
		err = &fs.PathError{Op: string(OpWrite), Path: f.name, Err: fault.Err}
	}
	if err != nil {
		f.dead = err
		f.h.setDead(f.name, err)
	}
	return n, err
}

func (f *hookedFile) Seek(offset int64, whence int) (int64, error) { return f.f.Seek(offset, whence) }

func (f *hookedFile) Stat() (fs.FileInfo, error) { return f.f.Stat() }

// State supports durable.StateOf.
func (f *hookedFile) State() (durable.State, error) { return durable.StateOf(f.f) }

func (f *hookedFile) Truncate(size int64) error {
	return f.change(OpTruncate, func() error { return f.f.Truncate(size) })
}

func (f *hookedFile) Sync() error { return f.change(OpSync, f.f.Sync) }

// Close always closes: otherwise a file with a fault would leak.
func (f *hookedFile) Close() error {
	fault := f.h.ask(OpClose, f.name, "")
	err := f.f.Close()
	if fault.Err != nil {
		err = &fs.PathError{Op: string(OpClose), Path: f.name, Err: fault.Err}
		f.h.setDead(f.name, err)
	}
	return err
}
