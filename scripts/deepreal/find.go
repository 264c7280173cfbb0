package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// A found is a .crate file with its checksum in the index, or, if its line is missing, the
// file's own checksum.
type found struct {
	crate.Key
	file    string
	inIndex bool   // its index line was found
	year    string // of publication
}

const unknownYear = "not known"

// A group is the versions of one crate, oldest first.
type group struct {
	name   string
	crates []found
}

func sources(crates []found) []deep.Source {
	var sources []deep.Source
	for _, c := range crates {
		sources = append(sources, deep.Source{Key: c.Key, Open: func() (io.ReadCloser, error) { return os.Open(c.file) }})
	}
	return sources
}

func cargoRegistry() string {
	home := os.Getenv("CARGO_HOME")
	if user, err := os.UserHomeDir(); home == "" && err == nil {
		home = filepath.Join(user, ".cargo")
	}
	return filepath.Join(home, "registry")
}

// find returns the .crate files below dirs, grouped by crate.
func find(dirs []string) ([]group, error) {
	lines := map[crate.ID]line{}
	files := map[crate.ID]string{}
	for _, dir := range dirs {
		err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) && file == dir {
				return nil
			}
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			if strings.Contains(filepath.ToSlash(file), "/.cache/") {
				return cachedLines(file, lines)
			}
			if id, err := crate.ParseFileName(d.Name()); err == nil {
				files[id] = file
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return arrange(files, lines)
}

// A line is what the index says about a version.
type line struct {
	Name    string `json:"name"`
	Vers    string `json:"vers"`
	Cksum   string `json:"cksum"`
	Pubtime string `json:"pubtime"`
}

// cachedLines adds the lines of a file of cargo's index cache, in which versions and
// lines alternate between zero bytes.
func cachedLines(file string, lines map[crate.ID]line) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	for part := range bytes.SplitSeq(data, []byte{0}) {
		if len(part) == 0 || part[0] != '{' {
			continue
		}
		var l line
		if err := json.Unmarshal(part, &l); err != nil {
			return fmt.Errorf("reading %s: %w", file, err)
		}
		lines[crate.ID{Name: l.Name, Version: l.Vers}] = l
	}
	return nil
}

// arrange groups the files by name, sorted by version.
func arrange(files map[crate.ID]string, lines map[crate.ID]line) ([]group, error) {
	byName := map[string]*group{}
	for id, file := range files {
		c := found{Key: crate.Key{ID: id}, file: file}
		if err := c.describe(lines[id]); err != nil {
			return nil, err
		}
		if byName[id.Name] == nil {
			byName[id.Name] = &group{name: id.Name}
		}
		g := byName[id.Name]
		g.crates = append(g.crates, c)
	}
	var groups []group
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		g := byName[name]
		slices.SortFunc(g.crates, func(a, b found) int { return older(a.Version, b.Version) })
		groups = append(groups, *g)
	}
	return groups, nil
}

func older(a, b string) int {
	v, errA := semver.Parse(a)
	w, errB := semver.Parse(b)
	if errA != nil || errB != nil {
		return strings.Compare(a, b)
	}
	return v.Compare(w)
}

// describe determines the crate's checksum and year of publication.
func (c *found) describe(l line) (err error) {
	data, err := os.ReadFile(c.file)
	if err != nil {
		return err
	}
	c.Checksum = sha256.Sum256(data)
	if l.Cksum != "" {
		c.inIndex = true
		if c.Checksum, err = crate.ParseChecksum(l.Cksum); err != nil {
			return fmt.Errorf("reading the index line of %s: %w", c.ID, err)
		}
	}
	c.year = yearOf(data)
	if len(l.Pubtime) > 4 {
		c.year = l.Pubtime[:4]
	}
	return nil
}

// yearOf returns the year of the first file in the tar. Until about 2021 cargo stored the real
// time of each file; since then it stores one of 2006.
func yearOf(data []byte) string {
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return unknownYear
	}
	h, err := tar.NewReader(z).Next()
	if err != nil || h.ModTime.Year() < 2014 {
		return unknownYear
	}
	return strconv.Itoa(h.ModTime.UTC().Year())
}
