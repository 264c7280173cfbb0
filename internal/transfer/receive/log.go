package receive

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/tilelog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// checkLog checks that the carried log of statements continues ours, and writes nothing.
func (k *taking) checkLog(f durable.File) error {
	folder, err := home.OpenIfThere(k.cfg.Home.Dirs.Statements)
	if err != nil {
		return err
	}
	var here durable.Reader
	if folder != nil {
		defer folder.Close()
		here = folder
	}
	l, have, err := k.logFrom(f, here)
	if err != nil || l == nil {
		return err
	}
	if err := tilelog.Continues(here, l.Leaves(have-l.From), l.Statement.Tree); err != nil {
		return fmt.Errorf("%w: the sending side has changed what it stated, or the log in %s is not of it, and is to be moved aside", err, k.cfg.Home.Dirs.Statements)
	}
	return nil
}

// logFrom begins to read the carried log, and returns the number of our leaves; nil if
// there is nothing to append.
func (k *taking) logFrom(f durable.File, here durable.Reader) (l *transfer.LogReader, have int64, err error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, 0, err
	}
	if l, err = transfer.NewLogReader(f); err != nil {
		return nil, 0, err
	}
	if here != nil {
		switch last, err := tilelog.Open(here); {
		case err == nil && last.Origin != l.Statement.Origin:
			return nil, 0, fmt.Errorf("it is of %q, and the log in %s is of %q, which is to be moved aside", l.Statement.Origin, k.cfg.Home.Dirs.Statements, last.Origin)
		case err == nil && string(last.Checkpoint) == string(l.Checkpoint), err == nil && last.N > l.Statement.N:
			return nil, 0, nil // imported already
		case err == nil:
			have = last.N
		case !errors.Is(err, fs.ErrNotExist):
			return nil, 0, err
		}
	}
	if have < l.From {
		k.cfg.Log.Warn("cannot continue the log of statements: some of it is not here; export -since FILE, with what import -state FILE has written, or -full, carries all of it",
			"log", k.cfg.Home.Dirs.Statements, "leaves", have, "carried_from", l.From)
		return nil, 0, nil
	}
	return l, have, nil
}

// takeLog appends the carried leaves to the log of statements. Readers see nothing of them
// before the last step replaces the checkpoint.
func (k *taking) takeLog() (err error) {
	s := k.staged[transfer.LogName]
	if s == nil {
		return nil
	}
	f, err := s.folder.Open(s.path)
	if err != nil {
		return err
	}
	defer f.Close()
	folder, err := home.CreateFolder(k.cfg.Home.Dirs.Statements, k.cfg.Home.Disk)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, folder.Close()) }()
	l, have, err := k.logFrom(f, folder)
	if err != nil || l == nil {
		return err
	}
	a, err := tilelog.Begin(folder, l.Statement.N-have)
	if err != nil {
		return err
	}
	for key, err := range l.Leaves(have - l.From) {
		if err == nil {
			err = a.Add(key)
		}
		if err != nil {
			return err
		}
	}
	if _, err := a.Finish(); err != nil {
		return err
	}
	return a.Publish(l.Checkpoint)
}
