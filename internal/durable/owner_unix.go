//go:build unix

package durable

import (
	"os"
	"syscall"
)

// owner is who gets what root makes in a folder: the one to whom the folder belongs. One
// run with sudo would else leave lock files, catalogs and folders that the
// mirror's own user cannot write to in any later run. SQLite does the same with
// the files that it makes beside a database.
//
// What is there already keeps its owner: it might be a hard link to something
// that the folder's owner must not have.
type owner struct{ uid, gid int } // uid 0: nothing is given away

// ownerOf returns who owns an open folder, if we are root and he is not.
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
// have no owners refuse it, and so do those of other machines to whom our root is
// nobody; then it stays ours.
func (o owner) give(f *os.File) {
	if o.gives() {
		_ = f.Chown(o.uid, o.gid)
	}
}
