// Deepreal packs real crates into a deep segment, rebuilds each of them, and prints the
// encoder of the crates of each year, their packed size and how long reading takes. It uses
// .crate files on this machine, fetched by cargo or stored by a mirror; without any it says so
// and succeeds. With -fetch, cargo first fetches the four hundred versions in versions.txt,
// one after the other. Each rebuilt crate is compared with its file, and its checksum with the
// index if cargo has kept the line. With -series it prints the size per version by the number
// of versions packed together.
//
//	go run ./scripts/deepreal [DIR...]             # or: make deep-real CRATES=DIR
//	go run ./scripts/deepreal -fetch DIR [-project] [-least 8]
//
// DIR is any folder, such as a mirror's crates or cargo's registry; the default is
// $CARGO_HOME/registry.
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

var (
	level = flag.Int("level", 0, "level of zstd, 1 to 4; 0: that of the program")
	reads = flag.Int("reads", 1000, "most versions that are read cold")
	least = flag.Int("least", 1, "leave crates out of which fewer versions are here")
	home  = flag.String("fetch", "", "have cargo fetch what versions.txt names, with its home in this `DIR`, and take that")
	whole = flag.Bool("project", false, "and what project.toml depends on, 900 crates")
	serie = flag.Bool("series", false, "say only what the newest 1, 2, 4, ... versions of crates take that have as many")
)

var segmentName = deep.FileName(1)

func main() {
	log.SetFlags(0)
	flag.Parse()
	if err := run(flag.Args()); err != nil {
		log.Fatal(err)
	}
}

func run(dirs []string) error {
	if *home != "" {
		if err := fetch(*home, *whole); err != nil {
			return err
		}
		dirs = append(dirs, filepath.Join(*home, "registry"))
	}
	if len(dirs) == 0 {
		dirs = []string{cargoRegistry()}
	}
	groups, err := find(dirs)
	if err != nil {
		return err
	}
	groups = slices.DeleteFunc(groups, func(g group) bool { return len(g.crates) < *least })
	if len(groups) == 0 {
		fmt.Println("skipped: there are no .crate files in", dirs)
		return nil
	}
	if *serie {
		return series(os.Stdout, groups)
	}
	temp, err := os.MkdirTemp("", "clonecratesio-deepreal-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	r := newReport()
	if err := pack(temp, groups, r); err != nil {
		return err
	}
	if err := rebuild(temp, groups, r); err != nil {
		return err
	}
	r.print(os.Stdout)
	return nil
}

// pack writes the segment, with each crate's versions oldest first.
func pack(dir string, groups []group, r *report) error {
	folder, err := durable.Open(dir)
	if err != nil {
		return err
	}
	w, err := deep.Create(folder, segmentName)
	if err != nil {
		return err
	}
	defer w.Close()
	for _, g := range groups {
		if err := packCrate(w, g, r); err != nil {
			return err
		}
	}
	if _, err := w.Finish(); err != nil {
		return err
	}
	return w.Publish()
}

func packCrate(w *deep.Writer, g group, r *report) error {
	before, crates := r.packs, r.crates
	for rest := g.crates; len(rest) > 0; {
		began := now()
		p, err := deep.Build(context.Background(), sources(rest), deep.Options{Level: *level})
		if err != nil {
			return err
		}
		if _, err := w.Append(p); err != nil {
			return err
		}
		r.packed(p, rest, now()-began)
		rest = rest[p.Took:]
	}
	r.ratios = append(r.ratios, float64(r.packs-before)/float64(r.crates-crates))
	return nil
}

// rebuild reads the segment: first single versions without any cache, then all of them.
func rebuild(dir string, groups []group, r *report) error {
	f, err := os.Open(filepath.Join(dir, segmentName))
	if err != nil {
		return err
	}
	defer f.Close()
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	segment, err := deep.Open(segmentName, f, size)
	if err != nil {
		return err
	}
	files := map[string]string{}
	for _, g := range groups {
		for _, c := range g.crates {
			files[c.FileName()] = c.file
		}
	}
	every, n := max(1, (len(files)+*reads-1) / *reads), 0
	for d, err := range segment.Directories() {
		if err != nil {
			return err
		}
		for v := range d.Versions {
			if n++; n%every == 0 {
				if err := r.read(segment, d.Placement, v); err != nil {
					return err
				}
			}
		}
		if err := compare(segment, d, files, r); err != nil {
			return err
		}
	}
	return nil
}

// compare rebuilds all versions of a pack and compares them with their files.
func compare(segment *deep.Reader, d *deep.Directory, files map[string]string, r *report) error {
	return segment.RebuildAll(context.Background(), d, func(n int, data []byte, err error) error {
		if err != nil {
			return err
		}
		id := d.Versions[n].ID
		file, err := os.ReadFile(files[id.FileName()])
		if err != nil {
			return err
		}
		if !bytes.Equal(data, file) {
			return fmt.Errorf("rebuilding %s: %d bytes that are not those of %s", id, len(data), files[id.FileName()])
		}
		r.equal++
		return nil
	})
}
