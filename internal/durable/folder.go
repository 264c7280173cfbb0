package durable

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// folder is the FS of the operating system. It resolves every name beneath one open
// directory, so it stays in that directory even if the folder is renamed or replaced by a
// link meanwhile.
//
// The differences between systems are in folder_linux.go and folder_other.go.
type folder struct {
	name string   // as given to Open, for errors
	root *os.Root // resolves names, and refuses to leave the folder
	top  *os.File // the open folder
	owner
	system
}

var _ FS = (*folder)(nil)

// Open opens an existing folder.
func Open(dir string) (FS, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, PathError("open", dir, err)
	}
	top, err := root.Open(".")
	if err != nil {
		root.Close()
		return nil, PathError("open", dir, err)
	}
	d := &folder{name: dir, root: root, top: top, owner: ownerOf(top)}
	if err := d.init(); err != nil {
		d.Close()
		return nil, PathError("open", dir, err)
	}
	return d, nil
}

// Create opens a folder, and first creates it and its parents if they are missing. Their
// names are durable when it returns: no later call on the FS could do that.
func Create(dir string) (FS, error) {
	// Sync the last name even if the folder exists: an earlier run may have been killed
	// between creating and syncing it.
	unsynced := []string{filepath.Dir(filepath.Clean(dir))}
	for {
		up := unsynced[len(unsynced)-1]
		if _, err := os.Stat(up); err == nil || up == filepath.Dir(up) {
			break
		}
		unsynced = append(unsynced, filepath.Dir(up))
	}
	if err := makeFolder(dir, unsynced[len(unsynced)-1]); err != nil {
		return nil, PathError("mkdir", dir, err)
	}
	for _, up := range unsynced {
		// A parent that we may not read (others' home folders) is not ours to sync, and we
		// did not create it.
		if err := CheckFolderSync(up); err != nil &&
			!errors.Is(err, errors.ErrUnsupported) && !errors.Is(err, fs.ErrPermission) {
			return nil, err
		}
	}
	return Open(dir)
}

// Modes of new files and folders, before the umask.
const (
	filePerm    = 0o644
	privatePerm = 0o600
	dirPerm     = 0o755
)

// full returns name as the user knows it.
func (d *folder) full(name string) string {
	return filepath.Join(d.name, filepath.FromSlash(name))
}

// local converts a name of the FS to one of the system. It rejects what fs.ValidPath
// rejects and, on Windows, names with a special meaning: backslashes, colons, device names.
func (d *folder) local(op, name string) (string, error) {
	local, err := filepath.Localize(name)
	if err != nil {
		return "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	return local, nil
}

func (d *folder) Open(name string) (File, error) {
	return asFile(d.open("open", name, os.O_RDONLY))
}

func (d *folder) Create(name string) (File, error) {
	return asFile(d.create("create", name, 0, filePerm))
}

func (d *folder) CreatePrivate(name string) (File, error) {
	return asFile(d.create("create", name, 0, privatePerm))
}

func (d *folder) Append(name string) (File, error) {
	// Create with O_EXCL or open without O_CREATE, so that a planted link is never followed
	// to create a file at its target (C26).
	f, err := d.create("append", name, appendFlag, filePerm)
	if errors.Is(err, fs.ErrExist) {
		f, err = d.openAppend(name)
	}
	if err != nil {
		return nil, err
	}
	f.atEnd = appendFlag == 0
	return f, nil
}

// openAppend opens an existing file if it has only one name. A second hard link may be a
// final name: a publication by link and remove was interrupted between the two, or a user
// keeps snapshots with cp -al. Writing to the file would change the bytes there.
func (d *folder) openAppend(name string) (*file, error) {
	f, err := d.open("append", name, os.O_RDWR|appendFlag)
	if err != nil {
		return nil, err
	}
	n, err := links(f.f)
	if err == nil && n != 1 {
		err = ErrLinked
	}
	if err != nil {
		f.Close()
		return nil, PathError("append", d.full(name), err)
	}
	return f, nil
}

func (d *folder) create(op, name string, flag int, perm fs.FileMode) (*file, error) {
	local, err := d.local(op, name)
	if err != nil {
		return nil, err
	}
	f, err := d.openFile(local, os.O_RDWR|os.O_CREATE|os.O_EXCL|flag, perm)
	if err != nil {
		return nil, PathError(op, d.full(name), err)
	}
	d.give(f)
	return &file{f: f}, nil
}

// open opens an existing regular file.
func (d *folder) open(op, name string, flag int) (*file, error) {
	local, err := d.local(op, name)
	if err != nil {
		return nil, err
	}
	f, err := d.openFile(local, flag, 0)
	if err != nil {
		return nil, PathError(op, d.full(name), notRegular(err))
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = ErrNotRegular
	}
	if err != nil {
		f.Close()
		return nil, PathError(op, d.full(name), err)
	}
	return &file{f: f}, nil
}

// asFile keeps a nil *file from becoming a non-nil File.
func asFile(f *file, err error) (File, error) {
	if err != nil {
		return nil, err
	}
	return f, nil
}

func (d *folder) Stat(name string) (fs.FileInfo, error) {
	local, err := d.local("stat", name)
	if err != nil {
		return nil, err
	}
	info, err := d.lstat(local)
	if err != nil {
		return nil, PathError("stat", d.full(name), err)
	}
	return info, nil
}

func (d *folder) ReadDir(name string) (entries []fs.DirEntry, err error) {
	err = d.eachEntries(name, func(some []fs.DirEntry) error {
		entries = append(entries, some...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, nil
}

func (d *folder) MkdirAll(name string) error {
	local, err := d.local("mkdir", name)
	if err != nil {
		return err
	}
	return PathError("mkdir", d.full(name), d.mkdirAll(local))
}

func (d *folder) Publish(temp, name string) error {
	return d.move("publish", temp, name, d.publish)
}

func (d *folder) Replace(temp, name string) error {
	return d.move("replace", temp, name, d.replace)
}

func (d *folder) move(op, temp, name string, do func(temp, name string) error) error {
	from, err := d.local(op, temp)
	if err != nil {
		return err
	}
	to, err := d.local(op, name)
	if err != nil {
		return err
	}
	if err := do(from, to); err != nil {
		return &os.LinkError{Op: op, Old: d.full(temp), New: d.full(name), Err: Classify(err)}
	}
	return nil
}

func (d *folder) Remove(name string) error {
	local, err := d.local("remove", name)
	if err != nil {
		return err
	}
	return PathError("remove", d.full(name), d.remove(local))
}

func (d *folder) SyncDir(name string) error {
	local, err := d.local("syncdir", name)
	if err != nil {
		return err
	}
	err = d.syncDir(local)
	if errors.Is(err, errors.ErrUnsupported) {
		return nil // C30; CheckFolderSync tells the user
	}
	return PathError("syncdir", d.full(name), err)
}

func (d *folder) SyncAll() error {
	return PathError("syncall", d.name, d.syncAll())
}

func (d *folder) Free() (bytes, files int64, err error) {
	bytes, files, err = d.free()
	return bytes, files, PathError("statfs", d.name, err)
}

func (d *folder) Close() error {
	return errors.Join(d.closeSystem(), d.top.Close(), d.root.Close())
}

// control calls do with the descriptor of an open file; a concurrent Close waits until do
// returns.
func control(f *os.File, do func(fd uintptr) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	if conn.Control(func(fd uintptr) { err = do(fd) }) != nil {
		return fs.ErrClosed
	}
	return err
}
