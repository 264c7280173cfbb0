package importtree

import (
	"os"
	"path/filepath"
	"testing"
)

// A file that does not claim to be a crate and is larger than any of them is none: a disk
// image beside the crates does not make an import incomplete.
func TestHugeFile(t *testing.T) {
	w := newWorld(t, "foo 1.0.0")
	w.put("foo", "1.0.0", "foo-1.0.0.crate")
	w.write("disk.img", nil)
	if err := os.Truncate(filepath.Join(w.dir, "disk.img"), maxSize+1); err != nil {
		t.Skip(err) // no sparse files
	}
	im := w.open(nil)
	defer im.Close()
	if r := im.Report(); r.Failed != 0 || r.Versions != 1 || r.Files != 2 {
		t.Errorf("%+v, want 2 files, of which one is a version and none is a problem", r)
	}
}
