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

// maxLinks is the maximum number of symbolic links that are followed, as on Linux.
const maxLinks = 40

// Resolve follows the symbolic links of an output path that a person named, and returns the
// name at which the file is or will be: a file is made and replaced in its own folder, and
// the link stays. Anything other than a file on a disk is a stream, which is never
// replaced, moved or locked, but opened with [Open]: a character device, a FIFO, and
// anything named through /dev or /proc, such as /dev/stdout.
func Resolve(path string) (file string, stream bool, err error) {
	for range maxLinks {
		if isSystemName(path) {
			return path, true, nil
		}
		// Let the system follow the link once before we do: Linux refuses one that another
		// user has planted in /tmp (fs.protected_symlinks, C26).
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

// readLink returns the target of a symbolic link.
func readLink(path string) (string, error) {
	to, err := os.Readlink(path)
	if err != nil || filepath.IsAbs(to) {
		return to, durable.PathError("write", path, err)
	}
	dir, err := filepath.EvalSymlinks(filepath.Dir(path)) // a ".." is relative to that
	return filepath.Join(dir, to), durable.PathError("write", path, err)
}

// isSystemName reports whether the system gives a name to devices and open files. /dev/shm
// is a folder with regular files.
func isSystemName(path string) bool {
	path, err := filepath.Abs(path)
	dir := filepath.Dir(path)
	return err == nil && (dir == "/dev" || dir == "/dev/fd" || strings.HasPrefix(path, "/proc/"))
}
