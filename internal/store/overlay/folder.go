package overlay

import (
	"cmp"
	"errors"
	"io/fs"
	"path"
	"slices"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// folder is a folder on the disk with the bucket's files behind it.
type folder struct {
	durable.FS
	source *Source
	dir    string
}

// named returns the root's entry for a file.
func (f *folder) named(name string) (root.File, bool) {
	file, ok := f.source.now.Load().files[f.dir][name]
	return file, ok
}

// Open implements durable.Reader.
func (f *folder) Open(name string) (durable.File, error) {
	local, err := f.FS.Open(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return local, err
	}
	if named, ok := f.named(name); ok {
		return f.open(named), nil
	}
	return nil, err
}

// Stat implements durable.Reader.
func (f *folder) Stat(name string) (fs.FileInfo, error) {
	local, err := f.FS.Stat(name)
	if !errors.Is(err, fs.ErrNotExist) {
		return local, err
	}
	if named, ok := f.named(name); ok {
		return info{named}, nil
	}
	return nil, err
}

// ReadDir implements durable.Reader.
func (f *folder) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := f.FS.ReadDir(name)
	if err != nil || path.Clean(name) != "." {
		return entries, err
	}
	files := f.source.now.Load().files[f.dir]
	all := make([]fs.DirEntry, 0, len(entries)+len(files))
	here := make(map[string]bool, len(entries))
	for _, e := range entries {
		here[e.Name()] = true
		all = append(all, e)
	}
	for name, file := range files {
		if !here[name] {
			all = append(all, fs.FileInfoToDirEntry(info{file}))
		}
	}
	slices.SortFunc(all, func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	return all, nil
}

// info describes a file in the bucket.
type info struct{ of root.File }

func (i info) Name() string       { return i.of.Name }
func (i info) Size() int64        { return i.of.Size }
func (i info) Mode() fs.FileMode  { return 0o444 }
func (i info) ModTime() time.Time { return time.Time{} }
func (i info) IsDir() bool        { return false }
func (i info) Sys() any           { return durable.Unchanging(i.of.SHA256) }
