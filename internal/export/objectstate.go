package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bucket"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/jsonl"
)

// stateName is the file that records which index files are in the bucket.
const stateName = "objects.jsonl"

// maxStateLine bounds a line of it, in bytes: a path of an index file and a checksum.
const maxStateLine = 1024

// objectState records which index files are in the bucket, and their checksums; zero is
// unknown. It is a file of lines that begins with the run whose bucket it describes; the
// last line about a path counts. Entries are removed before the bucket changes, so that a
// killed run leaves no wrong entries.
type objectState struct {
	fsys durable.FS
	has  map[string]crate.Checksum // by index path
}

type stateLine struct {
	Run    string `json:"run,omitempty"`
	Path   string `json:"path,omitempty"`
	SHA256 string `json:"sha256,omitempty"` // empty: unknown
	Gone   bool   `json:"gone,omitempty"`
}

// loadState reads the record of the bucket, if it is from this run, or returns nil.
func loadState(fsys durable.FS, run string) (*objectState, error) {
	f, err := fsys.Open(stateName)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s := &objectState{fsys, map[string]crate.Checksum{}}
	first := true
	for line, err := range jsonl.Read(f, maxStateLine, func(text []byte) (l stateLine, err error) { return l, json.Unmarshal(text, &l) }) {
		switch {
		case errors.Is(err, jsonl.ErrTorn):
			return s, nil // a run was killed while writing it, and did nothing after that
		case first && (err != nil || run == "" || line.Run != run):
			return nil, nil
		case !first && (err != nil || s.apply(line) != nil):
			return nil, nil
		}
		first = false
	}
	if first {
		return nil, nil
	}
	return s, nil
}

func (s *objectState) apply(l stateLine) error {
	if !crate.CheckIndexPath(l.Path) {
		return fmt.Errorf("%q is no index file", l.Path)
	}
	if l.Gone {
		delete(s.has, l.Path)
		return nil
	}
	var sum crate.Checksum
	var err error
	if l.SHA256 != "" {
		sum, err = crate.ParseChecksum(l.SHA256)
	}
	s.has[l.Path] = sum
	return err
}

// listState lists the index files in the bucket.
func listState(ctx context.Context, to bucket.Bucket, fsys durable.FS) (*objectState, error) {
	s := &objectState{fsys, map[string]crate.Checksum{}}
	for o, err := range to.List(ctx, IndexDir+"/") {
		if err != nil {
			return nil, fmt.Errorf("listing the index in the bucket: %w", err)
		}
		if name := strings.TrimPrefix(o.Key, IndexDir+"/"); crate.CheckIndexPath(name) {
			s.has[name] = crate.Checksum{}
		}
	}
	return s, nil
}

// begin assigns the record to a run.
func (s *objectState) begin(run string) error { return s.write(stateLine{Run: run}) }

// compact writes the record with one line per path. The first line names the run.
func (s *objectState) compact() error {
	data, err := durable.ReadFile(s.fsys, stateName, maxState)
	if err != nil {
		return err
	}
	var first stateLine
	line, _, _ := bytes.Cut(data, []byte("\n"))
	if err := json.Unmarshal(line, &first); err != nil {
		return fmt.Errorf("reading %s: %w", stateName, err)
	}
	return s.write(first)
}

// maxState bounds the file, in bytes: some 150 per crate, several times.
const maxState = 1 << 30

func (s *objectState) write(first stateLine) error {
	lines := []stateLine{first}
	for _, path := range slices.Sorted(maps.Keys(s.has)) {
		lines = append(lines, s.line(path))
	}
	return durable.WriteFile(s.fsys, stateName, encode(lines))
}

func (s *objectState) line(path string) stateLine {
	sum, ok := s.has[path]
	l := stateLine{Path: path, Gone: !ok}
	if sum != (crate.Checksum{}) {
		l.SHA256 = sum.String()
	}
	return l
}

func encode(lines []stateLine) []byte {
	var text bytes.Buffer
	for _, l := range lines {
		line, err := json.Marshal(l)
		if err != nil {
			panic(err) // strings can be encoded
		}
		text.Write(append(line, '\n'))
	}
	return text.Bytes()
}

// forget durably removes the checksums of these index files.
func (s *objectState) forget(paths []string) error {
	for _, path := range paths {
		s.has[path] = crate.Checksum{}
	}
	return s.add(paths)
}

// remember durably records the index files of a batch.
func (s *objectState) remember(work []objects) error {
	var paths []string
	for _, o := range work {
		if o.put {
			s.has[o.path] = o.sum
			paths = append(paths, o.path)
		}
	}
	return s.add(paths)
}

// removed durably records that index files were removed.
func (s *objectState) removed(paths []string) error {
	for _, path := range paths {
		delete(s.has, path)
	}
	return s.add(paths)
}

func (s *objectState) add(paths []string) error {
	if len(paths) == 0 {
		return nil
	}
	var lines []stateLine
	for _, path := range paths {
		lines = append(lines, s.line(path))
	}
	f, err := s.fsys.Append(stateName)
	if err != nil {
		return err
	}
	if _, err = f.Write(encode(lines)); err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("remembering what is in the bucket: %w", err)
	}
	return nil
}

// StateName returns the name of a folder for the record of the bucket at an address.
func StateName(address string) string {
	sum := sha256.Sum256([]byte(address))
	return hex.EncodeToString(sum[:8])
}

// OpenState opens the folder with the record of a bucket, which open creates if absent, and
// takes its lock. Errors: *durable.HeldError.
func OpenState(dir string, open func(dir string) (durable.FS, error), owner durable.Owner) (*Tree, error) {
	folder, err := open(dir)
	if err != nil {
		return nil, err
	}
	lock, err := durable.Lock(filepath.Join(dir, "lock"), owner)
	if err != nil {
		return nil, errors.Join(err, folder.Close())
	}
	return &Tree{Folder: folder, dir: dir, lock: lock}, nil
}
