//go:build unix

package durable

import (
	"cmp"
	"os"

	"golang.org/x/sys/unix"
)

// State is not a method of File, because tests' files do not need one.
func (f *file) State() (State, error) {
	return stateBy(f.f, f.f.Name(), func(fd int, st *unix.Stat_t) error { return unix.Fstat(fd, st) })
}

// StateAt implements store.Stater. It is called for each small crate that is served, so it
// resolves the name from the open folder and allocates only a State.
func (d *folder) StateAt(name string) (State, error) {
	local, err := d.local("stat", name)
	if err != nil {
		return State{}, err
	}
	return stateBy(d.top, local, func(top int, st *unix.Stat_t) error {
		return unix.Fstatat(top, local, st, unix.AT_SYMLINK_NOFOLLOW)
	})
}

func stateBy(f *os.File, name string, stat func(fd int, st *unix.Stat_t) error) (State, error) {
	var st unix.Stat_t
	err := control(f, func(fd uintptr) error {
		return ignoringEINTR(func() error { return stat(int(fd), &st) })
	})
	if err != nil {
		return State{}, PathError("stat", name, err)
	}
	modified := st.Mtim.Nano()
	// FUSE may leave Changed 0. The types of the fields differ between systems.
	return State{ID: uint64(st.Ino), Size: int64(st.Size), Modified: modified, Changed: cmp.Or(st.Ctim.Nano(), modified)}, nil
}
