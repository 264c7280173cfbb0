package durable

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
)

// A WholeFile is written under another name and gets its own when it is whole and
// durable, in one step: at any instant, also after a crash, what has its name is
// whole, old or new. It is ended once, by Replace, Publish or Discard.
//
// There may be some GB of it, and to wait for all of them at the end takes as long
// as everything before. So bytes are on their way to the disk while it is written.
type WholeFile struct {
	fsys  FS
	name  string
	temp  string
	file  File
	ahead syncAhead
}

// CreateWhole begins the file name, in a folder that must exist. It is called temp
// meanwhile, in the same folder; if temp is empty, what [TempName] says. What an
// earlier run left there is removed.
func CreateWhole(fsys FS, name, temp string) (*WholeFile, error) {
	return createWhole(fsys, name, temp, fsys.Create)
}

// CreateWholePrivate is CreateWhole of a file that its owner alone may read.
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

// Replace makes the file durable and gives it its name, in the place of what has it.
// If an error is returned either may be there.
func (w *WholeFile) Replace() error { return w.end(w.fsys.Replace) }

// Publish makes the file durable and gives it its name. Errors: fs.ErrExist if
// something has it; after any other one the file may be there.
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
		_ = w.fsys.Remove(w.temp) // the error above is the one to tell
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
	_ = w.ahead.end() // these bytes are not wanted
	return errors.Join(w.file.Close(), w.fsys.Remove(w.temp))
}

// FillFile makes what fill writes the durable content of a file, in one step, as a
// [WholeFile].
func FillFile(fsys FS, name string, fill func(io.Writer) error) error {
	return fillWhole(fsys, name, fsys.Create, fill, (*WholeFile).Replace)
}

// FillNew makes what fill writes the durable content of a file that was not there.
// Errors: fs.ErrExist.
func FillNew(fsys FS, name string, fill func(io.Writer) error) error {
	return fillWhole(fsys, name, fsys.Create, fill, (*WholeFile).Publish)
}

func fillWhole(fsys FS, name string, create func(string) (File, error), fill func(io.Writer) error, end func(*WholeFile) error) error {
	w, err := createWhole(fsys, name, "", create)
	if err != nil {
		return err
	}
	if err := fill(w); err != nil {
		_ = w.Discard() // the error above is the one to tell
		return err
	}
	return end(w)
}

// syncBytes is how much is written between two syncs.
const syncBytes = 64 << 20

// syncAhead syncs a file that is being written, through a second open file, beside
// the writing.
type syncAhead struct {
	open   func() (File, error)
	bytes  int           // since the last sync was asked for
	ask    chan struct{} // asks for one; nil: none has been needed yet
	synced chan error    // what all of them have come to
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
	default: // the disk is behind as it is
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

// end waits for the last sync, and returns what all have come to.
func (s *syncAhead) end() error {
	if s.ask == nil {
		return nil
	}
	close(s.ask)
	return <-s.synced
}
