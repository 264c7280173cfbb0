//go:build unix

package durable

import (
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// owner is who gets what root creates in a folder: the owner of that folder. Otherwise one
// run with sudo would leave lock files, catalogs and folders that the mirror's own user
// cannot write to in later runs. SQLite does the same with the files that it creates beside
// a database.
//
// Existing files keep their owner: one might be a hard link to something that the folder's
// owner must not have.
type owner struct{ uid, gid int } // uid 0: keep root

// ownerOf returns the owner of an open folder, if we are root and that is another user.
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

// give changes the owner of a new file or folder. File systems without owners, and network
// ones that do not trust our root, refuse it; then it stays ours.
func (o owner) give(f *os.File) {
	if o.gives() {
		_ = f.Chown(o.uid, o.gid)
	}
}

// GiveAway changes the owner of the folder dir, and of everything in it that another
// program run by root has created, to the owner of the folder around it. Files with a
// second name, which may be elsewhere, stay root's.
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
		return err // a link may lead anywhere
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
