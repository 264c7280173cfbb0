package stream

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// maxLinks is how many symbolic links are followed, as on Linux.
const maxLinks = 40

// Resolve follows the symbolic links of a path of the system that a person named
// to be written to, and returns the name at which the file is or will be: a file
// is made and replaced in its own folder, and the link stays. What is no file of a
// disk is a stream, which is neither replaced, moved nor locked, but for
// [Open]: a character device, a FIFO, and whatever it is that is named
// through /dev or /proc, as /dev/stdout is.
func Resolve(path string) (file string, stream bool, err error) {
	for range maxLinks {
		if isSystemName(path) {
			return path, true, nil
		}
		// The system follows the link once before we do: Linux refuses one that
		// another user has planted in /tmp (fs.protected_symlinks, C26).
		if _, err := os.Stat(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", false, durable.PathError("write", path, err)
		}
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return path, false, nil
		case err != nil:
			return "", false, durable.PathError("write", path, err)
		case info.IsDir():
			return "", false, durable.PathError("write", path, syscall.EISDIR)
		case info.Mode()&fs.ModeSymlink == 0:
			return path, !info.Mode().IsRegular(), nil
		}
		if path, err = readLink(path); err != nil {
			return "", false, err
		}
	}
	return "", false, durable.PathError("write", path, syscall.ELOOP)
}

// readLink is where a symbolic link leads to.
func readLink(path string) (string, error) {
	to, err := os.Readlink(path)
	if err != nil || filepath.IsAbs(to) {
		return to, durable.PathError("write", path, err)
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path)) // a ".." starts from there
	return filepath.Join(dir, to), durable.PathError("write", path, err)
}

// isSystemName reports whether a name is one of those that the system gives to
// devices and open files. /dev/shm is a folder with files.
func isSystemName(path string) bool {
	path, err := filepath.Abs(path)
	dir := filepath.Dir(path)
	return err == nil && (dir == "/dev" || dir == "/dev/fd" || strings.HasPrefix(path, "/proc/"))
}
