package simreg

import (
	"bytes"
	"cmp"
	"fmt"
	"io/fs"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

func compareIDs(a, b crate.ID) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Version, b.Version))
}

// IndexFile returns the index file at path, such as "se/rd/serde" or "config.json". Errors:
// fs.ErrNotExist.
func (r *Registry) IndexFile(path string) ([]byte, error) {
	r.mu.RLock()
	records, dl := slices.Clone(r.files[path]), r.dl
	r.mu.RUnlock()
	switch {
	case path == "config.json":
		return configJSON(dl), nil
	case len(records) == 0:
		return nil, fmt.Errorf("reading index file %s: %w", path, fs.ErrNotExist)
	}
	var buf bytes.Buffer
	for _, rec := range records {
		buf.Write(r.line(rec))
		buf.WriteByte('\n')
	}
	return buf.Bytes(), nil
}

func configJSON(dl string) []byte {
	return fmt.Appendf(nil, "{\n  \"dl\": %q,\n  \"api\": \"https://crates.io\"\n}\n", dl)
}

// indexFiles yields all files of the index, sorted by path.
func (r *Registry) indexFiles() iter.Seq2[string, []byte] {
	r.mu.RLock()
	paths := slices.Sorted(maps.Keys(r.files))
	r.mu.RUnlock()
	return func(yield func(string, []byte) bool) {
		r.sumAll()
		for _, path := range append(paths, "config.json") {
			data, err := r.IndexFile(path)
			if err != nil {
				continue // removed since the paths were listed
			}
			if !yield(path, data) {
				return
			}
		}
	}
}

// sumAll computes missing checksums on all processors, for which it builds the crate files.
func (r *Registry) sumAll() {
	r.mu.RLock()
	records := slices.Collect(maps.Values(r.records))
	r.mu.RUnlock()
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for part := range slices.Chunk(records, 256) {
		g.Go(func() error {
			for _, rec := range part {
				r.checksum(rec)
			}
			return nil
		})
	}
	g.Wait() // nothing fails
}

// WriteIndex writes the index as plain files below dir. The "dl" of its config.json is the
// server started last, or crates.io if there was none.
func (r *Registry) WriteIndex(dir string) error {
	for path, data := range r.indexFiles() {
		if err := writeFile(filepath.Join(dir, filepath.FromSlash(path)), data); err != nil {
			return fmt.Errorf("writing index file %s: %w", path, err)
		}
	}
	return nil
}

// WriteTree writes every crate file as {dir}/{name}/{name}-{version}.crate, the layout of
// static.crates.io, for load tests with any static file server.
func (r *Registry) WriteTree(dir string) error {
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for _, id := range r.IDs() {
		g.Go(func() error {
			data, err := r.CrateBytes(id)
			if err != nil {
				return err
			}
			if err := writeFile(filepath.Join(dir, id.Name, id.FileName()), data); err != nil {
				return fmt.Errorf("writing the crate file of %s: %w", id, err)
			}
			return nil
		})
	}
	return g.Wait()
}

// writeFile is os.WriteFile that makes missing folders.
func writeFile(name string, data []byte) error {
	err := os.WriteFile(name, data, 0o644)
	if os.IsNotExist(err) {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		err = os.WriteFile(name, data, 0o644)
	}
	return err
}
