// Package overlay lets a folder of bundles, or of segments, have the files that a
// mirror in a bucket has beside those that are on the disk. What is on the disk comes
// first; writing and removing concern the disk alone. So the stores that read such
// folders need not know where a file is.
//
// # Requests
//
// A file in the bucket is opened, and described, without a request: the root says what
// there is. Each ReadAt is one ranged GET; who needs several pieces of one stretch asks
// for the stretch first ([durable.Ranged]). With ReadAhead, reads that go forward through
// a file share large ranges.
//
// # What is trusted
//
// Nothing. A file that is not what the root names can show at any read, as on a disk;
// readers of a crate hash it.
package overlay

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/root"
)

// Source is a bucket and the root by which it is read now. Its methods may be called
// concurrently.
type Source struct {
	// ReadAhead is for those who read files from front to end. Set it before the first
	// folder is read.
	ReadAhead bool

	bucket bucket.Reader
	now    atomic.Pointer[view]

	mu     sync.Mutex      // guards what follows, and lets one at a time change now
	hidden map[string]bool // keys of files that are not there, whatever the root says
}

// view is what a root names, by the folder.
type view struct {
	root  *root.Root
	files map[string]map[string]root.File
}

// New returns a source of nothing: Show says what there is.
func New(b bucket.Reader) *Source {
	s := &Source{bucket: b, hidden: map[string]bool{}}
	s.Show(&root.Root{})
	return s
}

// Show makes r what is read from now on. Files that are open stay usable as long as
// their objects are there.
func (s *Source) Show(r *root.Root) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.show(r)
}

// Hide makes a file as one that no root names: it is known to be damaged.
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

// Root is what was shown last. It must not be changed.
func (s *Source) Root() *root.Root { return s.now.Load().root }

// Bucket is where the objects are.
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

// Folder is the folder dir of the bucket (root.BundlesDir, root.DeepDir) behind local.
// Closing it closes local.
func (s *Source) Folder(local durable.FS, dir string) durable.FS {
	return &folder{FS: local, source: s, dir: dir}
}
