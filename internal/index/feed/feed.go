// Package feed reads lists of the crates of an index, or of those with new versions. A sparse
// index needs them because it has no list itself.
//
//   - The RSS feed of new versions that crates.io has at
//     https://static.crates.io/rss/updates.xml:     the last hour, and at least 100 items
//     (crates.io, rss.rs). Our mirrors have a similar one ([Write]).
//   - crates.csv in the database dump of crates.io, https://static.crates.io/db-dump.tar.gz,
//     made daily.
//   - The tree of an index in git, however old, or a plain folder.
//   - A file with one name per line.
//
// # Limits
//
// A feed has at most 8 MiB and 20,000 items, a list 4 million names, a file of a dump 64 GiB,
// a line of it 1 MiB. Names are passed on one by one and not kept.
package feed

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

const (
	maxNames = 4_000_000
	maxDump  = 64 << 30 // bytes, unpacked
	maxLine  = 1 << 20  // bytes
)

// EachInList calls fn for the names in a text, one per line. What follows "@" is a
// requirement and is ignored; # begins a comment.
func EachInList(r io.Reader, fn func(name string) error) error {
	lines := bufio.NewScanner(r)
	for n := 1; lines.Scan(); n++ {
		line, _, _ := strings.Cut(lines.Text(), "#")
		name, _, _ := strings.Cut(line, "@")
		if name = strings.TrimSpace(name); name == "" {
			continue
		}
		if err := each(name, n, fn); err != nil {
			return err
		}
	}
	return lines.Err()
}

func each(name string, n int, fn func(string) error) error {
	if n > maxNames {
		return fmt.Errorf("more than %d lines", maxNames)
	}
	if err := crate.CheckName(name); err != nil {
		return fmt.Errorf("line %d: %w", n, err)
	}
	return fn(name)
}

// EachInDump calls fn for the names in crates.csv of a database dump, a .tar.gz. It returns
// the time of the dump from the dump's first file.
func EachInDump(r io.Reader, fn func(name string) error) (made time.Time, err error) {
	z, err := gzip.NewReader(r)
	if err != nil {
		return made, err
	}
	for files := tar.NewReader(io.LimitReader(z, maxDump)); ; {
		h, err := files.Next()
		if err == io.EOF {
			return made, errors.New("there is no crates.csv in the dump")
		}
		if err != nil {
			return made, err
		}
		if made.IsZero() || h.ModTime.Before(made) {
			made = h.ModTime
		}
		if path.Base(h.Name) == "crates.csv" {
			if err := eachInCSV(files, fn); err != nil {
				return made, fmt.Errorf("crates.csv: %w", err)
			}
			return made, nil
		}
	}
}

func eachInCSV(r io.Reader, fn func(name string) error) error {
	rows := csv.NewReader(&boundedLines{src: bufio.NewReader(r)})
	rows.ReuseRecord = true
	head, err := rows.Read()
	if err != nil {
		return err
	}
	at := slices.Index(head, "name")
	if at < 0 {
		return errors.New(`it has no column "name"`)
	}
	for n := 1; ; n++ {
		row, err := rows.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if err := each(row[at], n, fn); err != nil {
			return err
		}
	}
}

// boundedLines is a reader that rejects long lines, with which a csv.Reader would fill the
// memory.
type boundedLines struct {
	src  *bufio.Reader
	line int // bytes since the last line break
}

func (b *boundedLines) Read(p []byte) (int, error) {
	n, err := b.src.Read(p)
	for _, c := range p[:n] {
		if b.line++; c == '\n' {
			b.line = 0
		}
		if b.line > maxLine {
			return 0, fmt.Errorf("a line has more than %d bytes", maxLine)
		}
	}
	return n, err
}

// EachInIndex calls fn for the names of the crates in an index, which is a folder or a git
// repository. It returns the time of the index, or zero if it has none.
func EachInIndex(ctx context.Context, dir string, fn func(name string) error) (made time.Time, err error) {
	ix, err := index.Open(ctx, dir, index.Options{})
	if err != nil {
		return made, err
	}
	defer func() { err = errors.Join(err, ix.Close()) }()
	var told error
	for _, err := range ix.Crates(ctx, func(file index.File) bool {
		if name := path.Base(file.Path); told == nil && crate.CheckName(name) == nil {
			told = fn(name)
		}
		return false // its lines are not needed
	}) {
		if err != nil {
			return made, err
		}
	}
	if told != nil {
		return made, told
	}
	return ix.CommitTime(), nil
}
