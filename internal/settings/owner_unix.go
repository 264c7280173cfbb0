//go:build unix

package settings

import (
	"fmt"
	"io/fs"
	"os"
	"syscall"
)

// checkOwner rejects a file of another user, because the file says where crates come from
// and which files are sent there. Root may read the file of a mirror's owner, whose files
// it also writes.
func checkOwner(info fs.FileInfo) error {
	if info.Mode().Perm()&0o002 != 0 {
		return fmt.Errorf("may be written by every user: chmod o-w it")
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	if me := os.Geteuid(); ok && me != 0 && stat.Uid != 0 && int(stat.Uid) != me {
		return fmt.Errorf("belongs to another user (uid %d): look at what it says, then chown it", stat.Uid)
	}
	return nil
}
