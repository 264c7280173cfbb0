//go:build linux

package main

import (
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// row is one kind of request, to nginx and the other servers.
type row struct {
	name     string
	conns    int
	contests []*contest // nginx's is the first
}

// contest is one kind of request to one server.
type contest struct {
	server  *server
	asks    []ask
	results []result // one per round
}

// ask is a request.
type ask struct{ path, etag string }

// rows returns the rows that match -rows.
func (b *rig) rows() ([]*row, error) {
	names, err := regexp.Compile(*only)
	if err != nil {
		return nil, fmt.Errorf("-rows: %w", err)
	}
	var all []*row
	for _, size := range []string{small, big} {
		of := b.servers[size]
		files := b.cratePaths(size)
		if size == small {
			index := b.indexPaths(size)
			some := []*server{of[0], of[1], of[3]} // the server of bundles has the same index
			all = append(all, newRow("index 200", some, index), newRow("index 304", some, index))
		}
		all = append(all, newRow("crate "+size, of, files))
		if size == big {
			one := newRow("crate "+size+", 1 connection", of, files)
			one.conns = 1
			all = append(all, one)
		}
	}
	all = slices.DeleteFunc(all, func(r *row) bool { return !names.MatchString(r.name) })
	for _, r := range all {
		if guarded() { // the bare server is not judged
			r.contests = slices.DeleteFunc(r.contests, func(c *contest) bool { return c.server.name == bareName })
		}
		if r.name == "index 304" {
			if err := r.addTags(); err != nil {
				return nil, err
			}
		}
	}
	return all, nil
}

func newRow(name string, servers []*server, paths []string) *row {
	r := &row{name: name, conns: *conns}
	for _, s := range servers {
		asks := make([]ask, len(paths))
		for i, p := range paths {
			asks[i].path = p
		}
		r.contests = append(r.contests, &contest{server: s, asks: asks})
	}
	return r
}

// addTags asks each server for the entity tags of its files, so that it answers all later
// requests with 304.
func (r *row) addTags() error {
	for _, c := range r.contests {
		for i := range c.asks {
			resp, err := http.Head(c.server.url + c.asks[i].path)
			if err != nil {
				return err
			}
			if err := resp.Body.Close(); err != nil {
				return err
			}
			if c.asks[i].etag = resp.Header.Get("ETag"); resp.StatusCode != http.StatusOK || c.asks[i].etag == "" {
				return fmt.Errorf("%s%s: %s, ETag %q", c.server.url, c.asks[i].path, resp.Status, c.asks[i].etag)
			}
		}
	}
	return nil
}

func (b *rig) indexPaths(size string) (paths []string) {
	for _, id := range b.registries[size].IDs() {
		paths = append(paths, "/index/"+crate.IndexPath(id.Name))
	}
	return slices.Compact(paths)
}

func (b *rig) cratePaths(size string) (paths []string) {
	for _, id := range b.registries[size].IDs() {
		paths = append(paths, "/crates/"+id.URLPath())
	}
	return paths
}

func (b *rig) folder(size, kind string) string { return filepath.Join(b.dir, size, kind) }
