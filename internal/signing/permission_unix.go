//go:build unix

package signing

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// checkPrivate refuses a private key that others may read, as ssh does, if we own the file.
// A file of another owner, such as a secret that a cluster makes readable for a group, has
// the mode that its owner wants.
func checkPrivate(file fs.FileInfo) error {
	st, ok := file.Sys().(*syscall.Stat_t)
	if ok && int(st.Uid) != os.Geteuid() || file.Mode()&0o077 == 0 {
		return nil
	}
	return fmt.Errorf("other users may read or change it (mode %04o): chmod 600, and make another key if they may have done so", file.Mode().Perm())
}

// checkFolder refuses a folder in which every user may replace files.
func checkFolder(folder durable.Reader) error {
	info, err := folder.Stat(".")
	if err != nil {
		return err
	}
	if info.Mode()&0o002 != 0 && info.Mode()&fs.ModeSticky == 0 {
		return errors.New("every user may replace files in this folder: make keys in one that is yours")
	}
	return nil
}
