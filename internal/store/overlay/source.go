// Package overlay adds the files that a mirror has in a bucket to a folder of bundles or
// segments on the disk. Files on the disk come first; writing and removing only affect the
// disk. So the stores that read such folders need not know where a file is.
//
// # Requests
//
// Opening or describing a file in the bucket needs no request, because the root lists the
// files. Each ReadAt is one ranged GET; a caller that needs several pieces of a range
// requests the range first ([durable.Ranged]). With ReadAhead, reads that go forward
// through a file share large ranges.
//
// # Trust
//
// It trusts nothing. Any read may find that a file is not what the root names, as on a
// disk; readers of a crate hash it.
package overlay

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// Source is a bucket and the root through which it is currently read. Its methods may be
// called concurrently.
type Source struct {
	// ReadAhead is for callers that read files from front to end. Set it before the first
	// folder is read.
	ReadAhead bool

	bucket bucket.Reader
	now    atomic.Pointer[view]

	mu     sync.Mutex      // guards what follows, and serializes changes of now
	hidden map[string]bool // keys of files that count as absent, whatever the root says
}

// view is the content of a root, by folder.
type view struct {
	root  *root.Root
	files map[string]map[string]root.File
}

// New returns an empty source; Show sets its content.
func New(b bucket.Reader) *Source {
	s := &Source{bucket: b, hidden: map[string]bool{}}
	s.Show(&root.Root{})
	return s
}

// Show sets the root to read from. Open files stay usable as long as their objects exist.
func (s *Source) Show(r *root.Root) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.show(r)
}

// Hide hides a file, because it is known to be damaged, as if the root did not name it.
func (s *Source) Hide(dir, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hidden[root.Key(dir, name)] = true
	s.show(s.Root())
}

// show replaces the view. The caller holds mu.
func (s *Source) show(r *root.Root) {
	files := map[string]map[string]root.File{root.BundlesDir: byName(r.Bundles), root.DeepDir: byName(r.Segments)}
	for dir, named := range files {
		maps.DeleteFunc(named, func(name string, _ root.File) bool { return s.hidden[root.Key(dir, name)] })
	}
	s.now.Store(&view{r, files})
}

// Root returns the root that was set last. It must not be changed.
func (s *Source) Root() *root.Root { return s.now.Load().root }

// Bucket returns the bucket of the objects.
func (s *Source) Bucket() bucket.Reader { return s.bucket }

func byName(files []root.File) map[string]root.File {
	names := make(map[string]root.File, 2*len(files))
	for _, f := range files {
		names[f.Name] = f
		for _, l := range f.Lists {
			names[l.Name] = l
		}
	}
	return names
}

// Folder returns the folder dir of the bucket (root.BundlesDir, root.DeepDir) behind local.
// Closing it closes local.
func (s *Source) Folder(local durable.FS, dir string) durable.FS {
	return &folder{FS: local, source: s, dir: dir}
}
