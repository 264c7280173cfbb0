package durable

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"sync"

	"golang.org/x/sys/unix"
)

const (
	dirFlag    = unix.O_DIRECTORY
	appendFlag = os.O_APPEND
)

// system is the part of folder that is specific to Linux.
//
// openat2 resolves a whole name beneath the folder in one system call, while os.Root opens
// each directory on the way. Where openat2 cannot or must not decide, os.Root does (see
// undecided).
type system struct {
	dev uint64 // of the folder

	mu     sync.Mutex
	mounts map[uint64]*os.File // other file systems mounted beneath the folder
}

func (d *folder) init() error {
	return control(d.top, func(fd uintptr) error {
		var st unix.Stat_t
		err := unix.Fstat(int(fd), &st)
		d.dev = st.Dev
		return err
	})
}

func (d *folder) closeSystem() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	var errs []error
	for _, f := range d.mounts {
		errs = append(errs, f.Close())
	}
	d.mounts = nil
	return errors.Join(errs...)
}

// openBeneath opens name with one system call. It returns EXDEV for a name that leads out
// of the folder or into another mounted file system.
func (d *folder) openBeneath(name string, flag int, perm fs.FileMode) (fd int, err error) {
	how := unix.OpenHow{
		Flags:   uint64(flag) | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV,
	}
	if flag&unix.O_CREAT != 0 {
		how.Mode = uint64(perm)
	}
	err = control(d.top, func(top uintptr) error {
		return ignoringEINTR(func() error {
			fd, err = unix.Openat2(int(top), name, &how)
			return err
		})
	})
	return fd, err
}

// undecided reports whether to use os.Root instead of openat2: the kernel lacks it (ENOSYS,
// before 5.6), a container's seccomp filter forbids it (EPERM), a concurrent rename
// disturbed it (EAGAIN), or the name leaves the file system by a mount, which we allow, or
// the folder, which os.Root refuses (EXDEV).
func undecided(err error) bool {
	return err == unix.ENOSYS || err == unix.EPERM || err == unix.EAGAIN || err == unix.EXDEV
}

// openFile opens a file, or creates one with perm. It does not follow a link in the last
// element, nor wait for the other end of a FIFO.
func (d *folder) openFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	flag |= unix.O_NOFOLLOW | unix.O_LARGEFILE
	if flag&unix.O_EXCL == 0 {
		flag |= unix.O_NONBLOCK
	}
	fd, err := d.openBeneath(name, flag, perm)
	if undecided(err) {
		err = d.in(name, func(dir int, base string) error {
			return ignoringEINTR(func() error {
				fd, err = unix.Openat(dir, base, flag|unix.O_CLOEXEC, uint32(perm))
				return err
			})
		})
	}
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fd), d.full(name)), nil
}

// lstat describes a file, or a link itself: one call of the system where nothing is, while
// os.Root opens each directory on the way.
func (d *folder) lstat(name string) (fs.FileInfo, error) {
	fd, err := d.openBeneath(name, unix.O_PATH|unix.O_NOFOLLOW, 0)
	if undecided(err) {
		return d.root.Lstat(name)
	}
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	return f.Stat()
}

// in calls f with a descriptor of the directory that holds name.
func (d *folder) in(name string, f func(dir int, base string) error) error {
	dir, err := d.openDir(path.Dir(name))
	if err != nil {
		return err
	}
	defer unix.Close(dir)
	return f(dir, path.Base(name))
}

// openDir opens a directory for the *at calls. It is opened every time: a cache of open
// directories would save 2 of the 91 µs of a crate that is downloaded, but a cached directory
// that was moved elsewhere would still receive files.
func (d *folder) openDir(name string) (fd int, err error) {
	fd, err = d.openBeneath(name, unix.O_PATH|unix.O_DIRECTORY, 0)
	if !undecided(err) {
		return fd, err
	}
	f, err := d.root.OpenFile(name, os.O_RDONLY|dirFlag, 0)
	if err != nil {
		return -1, cause(err)
	}
	defer f.Close()
	if err := d.noteMount(f); err != nil {
		return -1, err
	}
	return unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
}

// noteMount remembers a file system that is mounted beneath the folder, so that SyncAll
// syncs it, too. Every write to one passes here, because of RESOLVE_NO_XDEV.
func (d *folder) noteMount(f *os.File) error {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if st.Dev == d.dev || d.mounts[st.Dev] != nil {
		return nil
	}
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if d.mounts == nil {
		d.mounts = make(map[uint64]*os.File)
	}
	d.mounts[st.Dev] = os.NewFile(uintptr(fd), f.Name())
	return nil
}

func (d *folder) mkdirAll(name string) error {
	fd, err := d.openDir(name)
	if errors.Is(err, unix.ENOENT) {
		if err := d.makeAll(d.root, name); err != nil {
			return err
		}
		fd, err = d.openDir(name) // a mount is noted here
	}
	if err != nil {
		return err
	}
	return unix.Close(fd)
}

func (d *folder) publish(temp, name string) error {
	err := d.rename(temp, name, unix.RENAME_NOREPLACE)
	if err == unix.EINVAL || errors.Is(err, errors.ErrUnsupported) { // NFS, FUSE, old kernels
		return publishByLink(d.root, temp, name)
	}
	return err
}

func (d *folder) replace(temp, name string) error {
	return notRegular(d.rename(temp, name, 0))
}

func (d *folder) rename(temp, name string, flags uint) error {
	return d.in(temp, func(from int, tempBase string) error {
		if path.Dir(temp) == path.Dir(name) {
			return unix.Renameat2(from, tempBase, from, path.Base(name), flags)
		}
		return d.in(name, func(to int, base string) error {
			return unix.Renameat2(from, tempBase, to, base, flags)
		})
	})
}

func (d *folder) remove(name string) error {
	return d.in(name, func(dir int, base string) error {
		err := unix.Unlinkat(dir, base, 0)
		if err == unix.EISDIR || err == unix.EPERM {
			if dirErr := unix.Unlinkat(dir, base, unix.AT_REMOVEDIR); dirErr != unix.ENOTDIR {
				return dirErr
			}
		}
		return err
	})
}
