// Package durabletest replaces the disk in tests, with file systems that behave like a real
// one on its worst day:
//
//   - [Mem] is in memory, distinguishes durable bytes from merely written ones, and can
//     be cloned at any instant as the disk after a power cut (Crash) or a SIGKILL (Kill),
//     while the program under test continues.
//   - [Hook] sees every operation on any durable.FS; [FailAt] makes the n-th one fail,
//     [KillAt] kills the process there.
//   - [TestFS] checks that an implementation keeps the contract; Mem and the operating
//     system's both do.
//
// Mem is stricter than most systems: it guarantees what the contract of package durable
// promises, and nothing that only some file systems do.
package durabletest

import (
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// ErrFinal is returned by Mem for a write to a published file: a bug in the program under
// test, against the first rule of package durable.
var ErrFinal = errors.New("durabletest: write to a file that has its final name")

// Mem is a durable.FS in memory.
type Mem struct {
	// NoSyncAll makes SyncAll fail with errors.ErrUnsupported, as on macOS and Windows. Set
	// it before use; clones inherit it.
	NoSyncAll bool

	mu      sync.Mutex // guards everything beneath, also nodes and open files
	root    *node
	journal []step // operations on names that are not durable, oldest first
	nextID  uint64
	closed  bool
}

var _ durable.FS = (*Mem)(nil)

// NewMem returns an empty folder.
func NewMem() *Mem {
	m := &Mem{}
	m.root = m.newNode(true)
	return m
}

// node is a file or a folder.
type node struct {
	id uint64

	// A folder's names, as programs see them, and as they are on disk; nil: the same.
	// Operations on names are in the journal until they are on disk.
	names, disk map[string]entry

	// A file's bytes. Those within len are never changed in place, only appended to, so
	// clones share them (see memFile.write).
	data []byte
	// synced is data at the last Sync; the first stable bytes of it have not changed since.
	synced []byte
	stable int
	final  bool // has a final name: writing is an error
}

func (n *node) isDir() bool { return n.names != nil }

// entry is what a name refers to.
type entry struct {
	node  *node
	final bool // named by Publish; a file named by Replace is ours, and may be appended to
}

func (m *Mem) newNode(dir bool) *node {
	m.nextID++
	n := &node{id: m.nextID}
	if dir {
		n.names = map[string]entry{}
	}
	return n
}

// lock starts every operation.
func (m *Mem) lock(op string, names ...string) error {
	m.mu.Lock()
	if m.closed {
		m.mu.Unlock()
		return &fs.PathError{Op: op, Path: path.Join(names...), Err: fs.ErrClosed}
	}
	for _, name := range names {
		if !fs.ValidPath(name) {
			m.mu.Unlock()
			return &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
		}
	}
	return nil
}

// find returns what is at name.
func (m *Mem) find(op, name string) (entry, error) {
	if name == "." {
		return entry{node: m.root}, nil
	}
	dir, base, err := m.parent(op, name)
	if err != nil {
		return entry{}, err
	}
	e, ok := dir.names[base]
	if !ok {
		return entry{}, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
	}
	return e, nil
}

// parent returns the folder that holds, or would hold, name.
func (m *Mem) parent(op, name string) (*node, string, error) {
	if name == "." {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	dir, base := path.Split(name)
	if dir == "" {
		return m.root, base, nil
	}
	e, err := m.find(op, path.Clean(dir))
	if err != nil {
		return nil, "", err
	}
	if !e.node.isDir() {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: errNotDir}
	}
	return e.node, base, nil
}

var errNotDir = errors.New("not a directory")

// Open implements durable.FS.
func (m *Mem) Open(name string) (durable.File, error) {
	if err := m.lock("open", name); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	e, err := m.find("open", name)
	if err != nil {
		return nil, err
	}
	if e.node.isDir() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: durable.ErrNotRegular}
	}
	return &memFile{m: m, node: e.node, name: name, mode: reading}, nil
}

// Create implements durable.FS.
func (m *Mem) Create(name string) (durable.File, error) {
	return m.create("create", name, writing)
}

// CreatePrivate implements durable.FS. Mem has only one user.
func (m *Mem) CreatePrivate(name string) (durable.File, error) { return m.Create(name) }

func (m *Mem) create(op, name string, mode mode) (durable.File, error) {
	if err := m.lock(op, name); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	dir, base, err := m.parent(op, name)
	if err != nil {
		return nil, err
	}
	if _, ok := dir.names[base]; ok {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrExist}
	}
	n := m.newNode(false)
	m.apply(change{dir, base, entry{node: n}})
	return &memFile{m: m, node: n, name: name, mode: mode}, nil
}

// Append implements durable.FS.
func (m *Mem) Append(name string) (durable.File, error) {
	f, err := m.create("append", name, appending)
	if !errors.Is(err, fs.ErrExist) {
		return f, err
	}
	if err := m.lock("append", name); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	e, err := m.find("append", name)
	switch {
	case err != nil:
		return nil, err
	case e.node.isDir():
		return nil, &fs.PathError{Op: "append", Path: name, Err: durable.ErrNotRegular}
	case e.final:
		return nil, &fs.PathError{Op: "append", Path: name, Err: ErrFinal}
	}
	e.node.final = false
	return &memFile{m: m, node: e.node, name: name, mode: appending}, nil
}

// Stat implements durable.FS.
func (m *Mem) Stat(name string) (fs.FileInfo, error) {
	if err := m.lock("stat", name); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	e, err := m.find("stat", name)
	if err != nil {
		return nil, err
	}
	return e.node.info(name), nil
}

// ReadDir implements durable.FS.
func (m *Mem) ReadDir(name string) ([]fs.DirEntry, error) {
	if err := m.lock("readdir", name); err != nil {
		return nil, err
	}
	defer m.mu.Unlock()
	e, err := m.find("readdir", name)
	if err != nil {
		return nil, err
	}
	if !e.node.isDir() {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: errNotDir}
	}
	entries := make([]fs.DirEntry, 0, len(e.node.names))
	for _, base := range slices.Sorted(maps.Keys(e.node.names)) {
		entries = append(entries, fs.FileInfoToDirEntry(e.node.names[base].node.info(base)))
	}
	return entries, nil
}

// MkdirAll implements durable.FS.
func (m *Mem) MkdirAll(name string) error {
	if err := m.lock("mkdir", name); err != nil {
		return err
	}
	defer m.mu.Unlock()
	return m.mkdirAll(name)
}

func (m *Mem) mkdirAll(name string) error {
	e, err := m.find("mkdir", name)
	if err == nil && !e.node.isDir() {
		return &fs.PathError{Op: "mkdir", Path: name, Err: errNotDir}
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := m.mkdirAll(path.Dir(name)); err != nil {
		return err
	}
	dir, base, err := m.parent("mkdir", name)
	if err != nil {
		return err
	}
	m.apply(change{dir, base, entry{node: m.newNode(true)}})
	return nil
}

// Free implements durable.FS. It returns -1, unknown.
func (m *Mem) Free() (bytes, files int64, err error) { return -1, -1, nil }

// Close implements durable.FS.
func (m *Mem) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	return nil
}

// info describes the current state of a node.
func (n *node) info(name string) fs.FileInfo {
	return memInfo{name: path.Base(name), size: int64(len(n.data)), dir: n.isDir()}
}

type memInfo struct {
	name string
	size int64
	dir  bool
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return i.size }
func (i memInfo) ModTime() time.Time { return time.Time{} }
func (i memInfo) IsDir() bool        { return i.dir }
func (i memInfo) Sys() any           { return nil }
func (i memInfo) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}
