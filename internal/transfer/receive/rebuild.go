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

// rebuild rebuilds lost files from their remaining pieces and all other files.
func (k *taking) rebuild(ctx context.Context, lost map[string]error) error {
	blocks, err := k.blocks(ctx)
	if err != nil {
		return err
	}
	defer blocks.Close()
	r := rebuilding{k: k, ctx: ctx, from: map[string][]durable.File{}, out: map[string]durable.File{}, temp: map[string]string{}}
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

// blocks opens the checksums of pieces, after staging them from a volume where they are
// what was signed.
func (k *taking) blocks(ctx context.Context) (durable.File, error) {
	s := &staged{File: k.t.manifest.Files[0], folder: k.stage, path: path.Join(k.dir(), transfer.BlocksName)}
	if f, err := s.folder.Open(s.path); err == nil {
		if sum, _, err := crate.Hash(f); err == nil && sum == s.SHA256 {
			return f, nil
		}
		f.Close()
	}
	if err := k.copy(ctx, s); isOurs(ctx, err) {
		return nil, err
	} else if err != nil {
		return nil, fmt.Errorf("%s is damaged in every volume: %w", transfer.BlocksName, err)
	}
	f, err := s.folder.Open(s.path)
	return f, onDisk(err)
}

// rebuilding is the state of a rebuild.
type rebuilding struct {
	k    *taking
	ctx  context.Context
	from map[string][]durable.File // copies of some of the files
	out  map[string]durable.File
	temp map[string]string
}

// maxOpen bounds the files whose copies are open at a time.
const maxOpen = 100

// open implements transfer.Source: it returns the copies on this disk, the stored pieces,
// and the copies on media.
func (r *rebuilding) open(f *transfer.File) (copies []io.ReaderAt, err error) {
	if err := context.Cause(r.ctx); err != nil {
		return nil, err
	}
	files, ok := r.from[f.Name]
	if !ok {
		if len(r.from) == maxOpen {
			r.closeCopies()
		}
		files = r.k.copies(f)
		r.from[f.Name] = files
	}
	for _, file := range files {
		copies = append(copies, file)
	}
	return copies, nil
}

// copies opens everything that exists of a file.
func (k *taking) copies(f *transfer.File) (files []durable.File) {
	for _, ext := range []string{"", piecesExt} {
		if file, err := k.folderOf(f).Open(path.Join(k.dir(), f.Name) + ext); err == nil {
			files = append(files, file)
		}
	}
	return append(files, k.onMedia(f)...)
}

// onMedia opens the copies of a file on the media.
func (k *taking) onMedia(f *transfer.File) (files []durable.File) {
	for _, dir := range k.t.folders {
		folder, err := k.cfg.open(dir)
		if err != nil {
			continue
		}
		if file, err := folder.Open(f.Name); err == nil {
			files = append(files, file)
		}
		folder.Close()
	}
	return files
}

// put writes a piece of a rebuilt file.
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

// end gives a rebuilt file its name, if it is what was signed.
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

func (r *rebuilding) closeCopies() {
	for _, files := range r.from {
		for _, f := range files {
			f.Close()
		}
	}
	clear(r.from)
}

func (r *rebuilding) close() {
	r.closeCopies()
	for name, f := range r.out {
		f.Close()
		_ = r.k.staged[name].folder.Remove(r.temp[name]) // unless it has its name
	}
}
