package receive

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// rebuild makes lost files again, from what is left of them and all others.
func (k *taking) rebuild(ctx context.Context, lost map[string]error) error {
	blocks, err := k.blocks()
	if err != nil {
		return err
	}
	r := rebuilding{k: k, ctx: ctx, out: map[string]durable.File{}, temp: map[string]string{}}
	defer r.close()
	isLost := func(f *transfer.File) bool { return lost[f.Name] != nil }
	if err := k.t.manifest.Layout().Rebuild(isLost, blocks, r.open, r.put); err != nil {
		return err
	}
	for name := range lost {
		if err := r.end(k.staged[name]); err != nil {
			return err
		}
		k.res.Rebuilt++
		k.cfg.Log.Warn("a file of the transfer was rebuilt from parity", "file", name, "was", lost[name])
	}
	return nil
}

// blocks reads the checksums of pieces, from a volume where they are what was signed.
func (k *taking) blocks() ([]byte, error) {
	want := k.t.manifest.Files[0]
	for _, dir := range k.t.folders {
		folder, err := durable.Open(dir)
		if err != nil {
			continue
		}
		data, err := readSome(folder, transfer.BlocksName, want.Size)
		folder.Close()
		if sum, _, hashErr := crate.Hash(bytesOf(data)); err == nil && hashErr == nil && sum == want.SHA256 {
			return data, nil
		}
	}
	return nil, fmt.Errorf("%s is damaged in every volume", transfer.BlocksName)
}

// rebuilding is files that are made again.
type rebuilding struct {
	k    *taking
	ctx  context.Context
	in   []io.Closer
	from map[string][]io.ReaderAt // copies of each file
	out  map[string]durable.File
	temp map[string]string
}

// open implements transfer.Source: of a file, the copies on this disk and on media.
func (r *rebuilding) open(f *transfer.File) (io.ReaderAt, error) {
	if err := context.Cause(r.ctx); err != nil {
		return nil, err
	}
	if copies, ok := r.from[f.Name]; ok {
		return firstOf(copies), nil
	}
	var copies []io.ReaderAt
	if s := r.k.staged[f.Name]; s != nil && r.k.isThere(s) {
		if file, err := s.folder.Open(s.path); err == nil {
			r.in, copies = append(r.in, file), append(copies, file)
		}
	}
	for _, dir := range r.k.t.folders {
		folder, err := durable.Open(dir)
		if err != nil {
			continue
		}
		if file, err := folder.Open(f.Name); err == nil {
			r.in, copies = append(r.in, file), append(copies, file)
		}
		folder.Close()
	}
	if r.from == nil {
		r.from = map[string][]io.ReaderAt{}
	}
	r.from[f.Name] = copies
	return firstOf(copies), nil
}

// firstOf is the first copy of a file that can be read at a place; nil: there is none.
func firstOf(copies []io.ReaderAt) io.ReaderAt {
	if len(copies) == 0 {
		return nil
	}
	return anyOf(copies)
}

type anyOf []io.ReaderAt

// ReadAt implements io.ReaderAt.
func (a anyOf) ReadAt(p []byte, off int64) (n int, err error) {
	for _, r := range a {
		if n, err = r.ReadAt(p, off); n == len(p) {
			return n, nil
		}
	}
	return n, err
}

// put writes a piece of a file that is made again.
func (r *rebuilding) put(f *transfer.File, offset int64, piece []byte) (err error) {
	s, out := r.k.staged[f.Name], r.out[f.Name]
	if out == nil {
		r.temp[f.Name] = durable.TempName(path.Dir(s.path))
		if out, err = s.folder.Create(r.temp[f.Name]); err != nil {
			return onDisk(err)
		}
		r.out[f.Name] = out
	}
	if _, err = out.Seek(offset, io.SeekStart); err == nil {
		_, err = out.Write(piece)
	}
	return onDisk(err)
}

// end gives a file that was made again its name, if it is what was signed.
func (r *rebuilding) end(s *staged) error {
	out := r.out[s.Name]
	if out == nil {
		return errors.New("an empty file cannot be rebuilt")
	}
	sum, size, err := crate.Hash(io.NewSectionReader(out, 0, s.Size))
	if err == nil && (size != s.Size || sum != s.SHA256) {
		return fmt.Errorf("%s was rebuilt, and is not what was signed", s.Name)
	}
	if err == nil {
		err = out.Sync()
	}
	if err == nil {
		err = s.folder.Replace(r.temp[s.Name], s.path)
	}
	if err == nil {
		err = s.folder.SyncDir(path.Dir(s.path))
	}
	return onDisk(err)
}

func (r *rebuilding) close() {
	for _, f := range r.in {
		f.Close()
	}
	for name, f := range r.out {
		f.Close()
		_ = r.k.staged[name].folder.Remove(r.temp[name]) // if it has not got its name
	}
}
