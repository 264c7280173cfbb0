package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// staged is the set of files to be named for one crate.
type staged struct {
	name  string
	path  string            // of its index file; empty: no line is shown
	files []*durable.Staged // crate files
	index []*durable.Staged // its index file, unless unchanged
	// without is the old index file without the lines of versions whose file name other
	// bytes will take.
	without []*durable.Staged
	failed  bool
}

// stage writes the files of a crate that the tree lacks. An error of one crate, or version,
// is recorded; stage returns an error of the disk, or the end of ctx.
func (r *run) stage(ctx context.Context, name string) (staged, error) {
	s := staged{name: name}
	c, err := r.Mirror.Crate(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	s.path = crate.IndexPath(name)
	if err == nil {
		err = r.stageCrate(ctx, c, &s)
	}
	if ctx.Err() != nil {
		return s, context.Cause(ctx)
	}
	return s, r.own(err, &s)
}

func (r *run) stageCrate(ctx context.Context, c *reader.Crate, s *staged) error {
	name := r.index(s.path)
	before, _ := durable.ReadFile(r.disk, name, maxIndexFile) // an unreadable file is written again
	have := tree{r.disk, linesOf(before), map[string]map[string]fs.DirEntry{}}
	var body []byte
	for i := range c.Entries {
		e := &c.Entries[i]
		err := r.stageVersion(ctx, e, have, s)
		switch {
		case err == nil:
			body = append(append(body, e.Raw...), '\n')
			r.Progress.version(e.Size)
		case durable.IsBroken(err) || ctx.Err() != nil:
			return err
		default:
			r.Progress.problem(fmt.Errorf("%w; its line is left out", err))
		}
	}
	if body == nil {
		s.path = ""
		return nil
	}
	r.Progress.crates.Add(1)
	r.Progress.left.Add(int64(c.Left))
	if bytes.Equal(before, body) {
		return nil
	}
	line, err := r.disk.Stage(name, bytes.NewReader(body))
	if err != nil {
		return err
	}
	s.index = append(s.index, line)
	if rest := withoutRepublished(before, c.Entries); len(rest) < len(before) {
		without, err := r.disk.Stage(name, bytes.NewReader(rest))
		if err != nil {
			return err
		}
		s.without = append(s.without, without)
	}
	return nil
}

// withoutRepublished returns an index file of the tree without the lines of versions that
// now have other bytes, which will have the same file name.
func withoutRepublished(before []byte, now []reader.Entry) (rest []byte) {
	sums := make(map[crate.ID]crate.Checksum, len(now))
	for i := range now {
		sums[now[i].ID] = now[i].Checksum
	}
	for line := range bytes.Lines(before) {
		was, err := index.ParseLine(bytes.TrimSuffix(line, []byte("\n")))
		if is, ok := sums[was.ID]; err == nil && ok && is != was.Checksum {
			continue
		}
		rest = append(rest, line...)
	}
	return rest
}

// stageVersion stages the files of one version.
func (r *run) stageVersion(ctx context.Context, e *reader.Entry, have tree, s *staged) error {
	var missing []string
	for _, name := range r.Layout.files(e.ID) {
		if !r.right(e, have, name) {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		r.Progress.kept.Add(1)
		return nil
	}
	f, err := r.Mirror.OpenBytes(ctx, e.Key())
	if err != nil {
		return err
	}
	defer f.Close()
	for _, name := range missing {
		ready, err := r.bring(f, name)
		if err != nil {
			return fmt.Errorf("exporting %s: %w", e.ID, err)
		}
		s.files = append(s.files, ready)
	}
	return nil
}

// right reports whether the tree already has a file. If the tree's own index has the line,
// it compares only the size, since the file was hashed before the line was written.
// Otherwise the file may be of a version that was published again with other bytes.
func (r *run) right(e *reader.Entry, have tree, name string) bool {
	info, err := r.stat(have, name)
	if err != nil || !info.Mode().IsRegular() || info.Size() != e.Size {
		return false
	}
	return have.lines[string(e.Raw)] && !r.VerifyExisting || r.hashes(name, e.Checksum)
}

// stat describes a crate file, using the listing of its folder if that holds one crate's
// files.
func (r *run) stat(have tree, name string) (fs.FileInfo, error) {
	if r.Layout != Static {
		return r.disk.Stat(name)
	}
	entry, ok := have.folder(path.Dir(name))[path.Base(name)]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return entry.Info()
}

func (r *run) hashes(name string, want crate.Checksum) bool {
	f, err := r.disk.Open(name)
	if err != nil {
		return false
	}
	defer f.Close()
	sum, _, err := crate.Hash(f)
	return err == nil && sum == want
}

// bring links a crate file, or copies and hashes it.
func (r *run) bring(f *reader.File, name string) (*durable.Staged, error) {
	if file := f.OnDisk(); file != nil {
		ready, err := r.disk.StageLink(name, file)
		if err == nil {
			r.Progress.linked.Add(1)
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return ready, err
		}
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	h := sha256.New()
	ready, err := r.disk.Stage(name, io.TeeReader(f, h))
	if err != nil {
		return nil, err
	}
	if sum := crate.Checksum(h.Sum(nil)); sum != f.Checksum {
		err := &crate.ChecksumError{ID: f.ID, Want: f.Checksum, Got: sum, Size: f.Size()}
		return nil, errors.Join(err, ready.Discard())
	}
	r.Progress.copied.Add(1)
	return ready, nil
}

// maxIndexFile bounds an index file of the tree that is read for comparison, in bytes. The
// largest real one has 6 MB.
const maxIndexFile = 256 << 20

// linesOf returns the lines of an index file.
func linesOf(file []byte) map[string]bool {
	lines := map[string]bool{}
	for line := range bytes.Lines(file) {
		lines[string(bytes.TrimSuffix(line, []byte("\n")))] = true
	}
	return lines
}

// tree is what the tree has of one crate.
type tree struct {
	disk    *disk
	lines   map[string]bool // from its index file
	folders map[string]map[string]fs.DirEntry
}

// folder lists a folder of crate files: there are several if the name of the crate ever
// changed its case.
func (t tree) folder(dir string) map[string]fs.DirEntry {
	if files, ok := t.folders[dir]; ok {
		return files
	}
	entries, _ := t.disk.ReadDir(dir) // files that are not seen are written again
	files := make(map[string]fs.DirEntry, len(entries))
	for _, e := range entries {
		files[e.Name()] = e
	}
	t.folders[dir] = files
	return files
}
