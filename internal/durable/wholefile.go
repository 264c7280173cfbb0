package durable

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
)

// A WholeFile is written under another name, and gets its own atomically once it is whole
// and durable: at any instant, also after a crash, the file with that name is whole, old or
// new. It must be ended once, by Replace, Publish or Discard.
//
// It may have several GB, and syncing all of them at the end would take as long as writing
// them. So bytes are synced while more are written.
type WholeFile struct {
	fsys  FS
	name  string
	temp  string
	file  File
	ahead syncAhead
}

// CreateWhole starts the file name, in a folder that must exist. Meanwhile it is called
// temp, in the same folder; if temp is empty, a [TempName]. It replaces what an earlier run
// left at temp.
func CreateWhole(fsys FS, name, temp string) (*WholeFile, error) {
	return createWhole(fsys, name, temp, fsys.Create)
}

// CreateWholePrivate is like CreateWhole, for a file that only its owner may read.
func CreateWholePrivate(fsys FS, name string) (*WholeFile, error) {
	return createWhole(fsys, name, "", fsys.CreatePrivate)
}

func createWhole(fsys FS, name, temp string, create func(string) (File, error)) (*WholeFile, error) {
	if temp == "" {
		temp = TempName(path.Dir(name))
	} else if err := fsys.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("writing %s: %w", name, err)
	}
	f, err := create(temp)
	if err != nil {
		return nil, fmt.Errorf("writing %s: %w", name, err)
	}
	open := func() (File, error) { return fsys.Append(temp) }
	return &WholeFile{fsys: fsys, name: name, temp: temp, file: f, ahead: syncAhead{open: open}}, nil
}

// Write implements io.Writer.
func (w *WholeFile) Write(p []byte) (int, error) {
	n, err := w.file.Write(p)
	if err != nil {
		return n, fmt.Errorf("writing %s: %w", w.name, err)
	}
	w.ahead.wrote(n)
	return n, nil
}

// Replace makes the file durable and renames it to its name, replacing any file there.
// After an error, the file may be old or new.
func (w *WholeFile) Replace() error { return w.end(w.fsys.Replace) }

// Publish makes the file durable and renames it to its name. Errors: fs.ErrExist if
// something has that name; after any other error the file may exist.
func (w *WholeFile) Publish() error { return w.end(w.fsys.Publish) }

func (w *WholeFile) end(give func(temp, name string) error) error {
	err := w.ahead.end()
	if err == nil {
		err = w.file.Sync()
	}
	if err = cmp.Or(err, w.file.Close()); err == nil {
		err = give(w.temp, w.name)
	}
	if err != nil {
		_ = w.fsys.Remove(w.temp) // the error above matters more
	} else {
		err = w.fsys.SyncDir(path.Dir(w.name))
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", w.name, err)
	}
	return nil
}

// Discard removes what was written.
func (w *WholeFile) Discard() error {
	_ = w.ahead.end() // these bytes are not needed
	return errors.Join(w.file.Close(), w.fsys.Remove(w.temp))
}

// FillFile durably and atomically replaces a file with what fill writes, like a
// [WholeFile].
func FillFile(fsys FS, name string, fill func(io.Writer) error) error {
	return fillWhole(fsys, name, fsys.Create, fill, (*WholeFile).Replace)
}

// FillNew durably and atomically creates a file with what fill writes. Errors: fs.ErrExist.
func FillNew(fsys FS, name string, fill func(io.Writer) error) error {
	return fillWhole(fsys, name, fsys.Create, fill, (*WholeFile).Publish)
}

func fillWhole(fsys FS, name string, create func(string) (File, error), fill func(io.Writer) error, end func(*WholeFile) error) error {
	w, err := createWhole(fsys, name, "", create)
	if err != nil {
		return err
	}
	if err := fill(w); err != nil {
		_ = w.Discard() // the error above matters more
		return err
	}
	return end(w)
}

// syncBytes is the number of bytes between two syncs.
const syncBytes = 64 << 20

// syncAhead syncs a file while it is being written, through a second open file.
type syncAhead struct {
	open   func() (File, error)
	bytes  int           // since the last request for a sync
	ask    chan struct{} // requests a sync; nil: not needed yet
	synced chan error    // the result of all syncs
}

func (s *syncAhead) wrote(n int) {
	if s.bytes += n; s.bytes < syncBytes {
		return
	}
	if s.ask == nil {
		s.start()
	}
	select {
	case s.ask <- struct{}{}:
		s.bytes = 0
	default: // the disk is already behind
	}
}

func (s *syncAhead) start() {
	s.ask, s.synced = make(chan struct{}, 1), make(chan error, 1)
	go func() {
		again, err := s.open()
		for range s.ask {
			if err == nil {
				err = again.Sync()
			}
		}
		if again != nil {
			err = cmp.Or(err, again.Close())
		}
		s.synced <- err
	}()
}

// end waits for the last sync, and returns the result of all syncs.
func (s *syncAhead) end() error {
	if s.ask == nil {
		return nil
	}
	close(s.ask)
	return <-s.synced
}
