package lists

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"math"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/jsonl"
)

// CatalogName is the name of the catalog in a folder of bundles.
const CatalogName = "bundles.index.jsonl"

// CatalogEntry is a line of the catalog, one for each finished bundle:
//
//	bundle_path          file name of the bundle; v1.1.0 writes a path from where it was started
//	manifest_path        likewise of its manifest
//	crate_min/max        first and last crate name, in byte order
//	crate_min/max_label  the same as in the name of the manifest
//	entries              number of members
//	size_bytes           of all crates together
//	file_size            of the bundle, in bytes; v1.1.0 has none
//	sha256               of the bundle, hexadecimal; v1.1.0 has none
type CatalogEntry struct {
	Bundle         bundle.Name
	Manifest       string // file name of its manifest, in the same folder
	bundle.Summary        // FileSize and Checksum are zero in catalogs of v1.1.0
}

type catalogLine struct {
	Bundle   string `json:"bundle_path"`
	Manifest string `json:"manifest_path"`
	Min      string `json:"crate_min"`
	Max      string `json:"crate_max"`
	MinLabel string `json:"crate_min_label"`
	MaxLabel string `json:"crate_max_label"`
	Entries  int64  `json:"entries"`
	Size     int64  `json:"size_bytes"`
	FileSize int64  `json:"file_size"`
	SHA256   string `json:"sha256,omitzero"`
}

// maxBundles bounds the entries of a catalog.
const maxBundles = 1 << 20

// ReadCatalog yields the entries of a catalog, ours or v1.1.0's. An unusable line yields a
// *jsonl.LineError instead of an entry, and the next line follows. A line that repeats an
// earlier one is skipped; a later entry for the same bundle replaces an earlier one. A read
// error, or ErrTooMany, ends the sequence.
func ReadCatalog(r io.Reader) iter.Seq2[CatalogEntry, error] {
	return func(yield func(CatalogEntry, error) bool) {
		known := map[bundle.Name]CatalogEntry{}
		for e, err := range jsonl.Read(r, MaxLine, decode(checkCatalogLine)) {
			if err == nil {
				if was, ok := known[e.Bundle]; ok && was == e {
					continue
				}
				if len(known) == maxBundles {
					yield(CatalogEntry{}, fmt.Errorf("reading %s: %w", CatalogName, bundle.ErrTooMany))
					return
				}
				known[e.Bundle] = e
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func checkCatalogLine(l catalogLine) (e CatalogEntry, err error) {
	if e.Bundle, err = parseBundlePath(l.Bundle); err != nil {
		return e, fmt.Errorf("bundle_path: %w", err)
	}
	e.Manifest = baseName(l.Manifest)
	n, rest, ok := bundle.CutName(e.Manifest)
	if !ok || n != e.Bundle || !strings.HasSuffix(rest, manifestExt) {
		return e, fmt.Errorf("manifest_path: %.80q is not that of %s", e.Manifest, e.Bundle)
	}
	for _, name := range []string{l.Min, l.Max} {
		if err := crate.CheckName(name); err != nil {
			return e, fmt.Errorf("crate_min or crate_max: %w", err)
		}
	}
	if e.Checksum, err = optionalChecksum(l.SHA256); err != nil {
		return e, fmt.Errorf("sha256: %w", err)
	}
	e.Members, e.Size, e.FileSize, e.Min, e.Max = int(l.Entries), l.Size, l.FileSize, l.Min, l.Max
	return e, cmp.Or(
		inRange("entries", l.Entries, math.MaxInt32), // v1.1.0 has no MaxMembers
		inRange("size_bytes", l.Size, math.MaxInt64),
		inRange("file_size", l.FileSize, math.MaxInt64),
	)
}

// AppendCatalog durably adds an entry to the catalog in the folder fsys. It first ends a
// torn last line, so that only that line is lost.
func AppendCatalog(fsys durable.FS, e CatalogEntry) error {
	line, err := appendLine(nil, catalogLine{
		Bundle: e.Bundle.String(), Manifest: e.Manifest,
		Min: e.Min, Max: e.Max, MinLabel: Label(e.Min), MaxLabel: Label(e.Max),
		Entries: int64(e.Members), Size: e.Size, FileSize: e.FileSize, SHA256: e.Checksum.String(),
	})
	if err == nil {
		err = appendCatalog(fsys, line)
	}
	if err != nil {
		return fmt.Errorf("adding %s to %s: %w", e.Bundle, CatalogName, err)
	}
	return nil
}

// RemoveFromCatalog removes the line of a bundle from the catalog in the folder fsys,
// atomically and durably. All other lines stay as they are.
func RemoveFromCatalog(fsys durable.FS, name bundle.Name) error {
	f, err := fsys.Open(CatalogName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = errors.Join(removeLine(fsys, f, name), f.Close())
	}
	if err != nil {
		return fmt.Errorf("taking %s out of %s: %w", name, CatalogName, err)
	}
	return nil
}

func removeLine(fsys durable.FS, f durable.File, name bundle.Name) error {
	var kept bytes.Buffer
	found := false
	for line, err := range jsonl.Read(f, MaxLine, func(b []byte) ([]byte, error) { return b, nil }) {
		if errors.As(err, new(*jsonl.LineError)) {
			continue // an unusable line
		}
		if err != nil {
			return err
		}
		if e, err := decode(checkCatalogLine)(line); err == nil && e.Bundle == name {
			found = true
			continue
		}
		kept.Write(line)
		kept.WriteByte('\n')
	}
	if !found {
		return nil
	}
	return durable.WriteFile(fsys, CatalogName, kept.Bytes())
}

func appendCatalog(fsys durable.FS, line []byte) error {
	f, err := fsys.Append(CatalogName)
	if errors.Is(err, durable.ErrLinked) { // a backup has hard links to it
		if err = durable.Separate(fsys, CatalogName); err == nil {
			f, err = fsys.Append(CatalogName)
		}
	}
	if err != nil {
		return err
	}
	torn, err := isTorn(f)
	if err == nil {
		if torn {
			line = append([]byte{'\n'}, line...)
		}
		_, err = f.Write(line)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return fsys.SyncDir(".")
}

// isTorn reports whether a file does not end with a newline.
func isTorn(f durable.File) (bool, error) {
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return false, err
	}
	var last [1]byte
	if n, err := f.ReadAt(last[:], info.Size()-1); n < len(last) {
		return false, err
	}
	return last[0] != '\n', nil
}
