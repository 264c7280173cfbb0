//go:build unix

package durable

import (
	"cmp"
	"io/fs"
	"os"
	"syscall"
)

// State is no method of File, because files of tests need none.
func (f *file) State() (State, error) { return stateOf(f.Stat()) }

// StateAt implements store.Stater.
func (d *folder) StateAt(name string) (State, error) { return stateOf(os.Lstat(d.full(name))) }

func stateOf(info fs.FileInfo, err error) (State, error) {
	if err != nil {
		return State{}, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return State{}, &fs.PathError{Op: "stat", Path: info.Name(), Err: fs.ErrInvalid}
	}
	modified := info.ModTime().UnixNano()
	return State{
		ID: uint64(st.Ino), Size: info.Size(), Modified: modified,
		Changed: cmp.Or(changed(st), modified), // FUSE may leave it 0
	}, nil
}
