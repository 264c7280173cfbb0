//go:build unix

package durable

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// owner is who gets what root makes in a folder: the user to whom that belongs.
// Otherwise one run with sudo leaves lock files, catalogs and folders that the
// mirror's own user cannot write to in any later run. SQLite does the same with
// the files that it makes beside a database.
//
// What is there already keeps its owner: it might be a hard link to something
// that the folder's owner must not have.
type owner struct{ uid, gid int } // uid 0: nothing is given away

// ownerOf returns who owns an open folder, if we are root and that is another user.
func ownerOf(folder *os.File) owner {
	info, err := folder.Stat()
	if err != nil || os.Geteuid() != 0 {
		return owner{}
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok || st.Uid == 0 {
		return owner{}
	}
	return owner{int(st.Uid), int(st.Gid)}
}

func (o owner) gives() bool { return o.uid != 0 }

// give gives away a file or folder that was made just now. File systems that
// have no owners refuse it, and so do those of other machines that do not know our
// root; then it stays ours.
func (o owner) give(f *os.File) {
	if o.gives() {
		_ = f.Chown(o.uid, o.gid)
	}
}

// GiveAway gives the folder dir, and all in it that another program, run by root, has
// made, to the owner of the folder around it. What has a second name, which may be one
// elsewhere, stays root's.
func GiveAway(dir string) error {
	root, err := os.OpenRoot(filepath.Dir(dir))
	if err != nil {
		return err
	}
	defer root.Close()
	top, err := root.Open(".")
	if err != nil {
		return err
	}
	defer top.Close()
	o, name := ownerOf(top), filepath.Base(dir)
	if info, err := root.Lstat(name); err != nil || !info.IsDir() || !o.gives() {
		return err // a link leads to what may be anything
	}
	return fs.WalkDir(root.FS(), name, func(name string, e fs.DirEntry, err error) error {
		if err != nil || !e.IsDir() && !e.Type().IsRegular() {
			return err
		}
		return o.giveIfOurs(root, name)
	})
}

func (o owner) giveIfOurs(root *os.Root, name string) error {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && st.Uid == 0 && (info.IsDir() || info.Mode().IsRegular() && st.Nlink == 1) {
		o.give(f)
	}
	return nil
}
