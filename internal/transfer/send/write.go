package send

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// A writer writes the volumes of a transfer.
type writer struct {
	cfg      *Config
	plan     *plan
	out      durable.FS
	room     room
	manifest *transfer.Manifest
	bundles  int // of the transfer, so far
	kept     int
}

func (w *writer) write(ctx context.Context) error {
	w.manifest.Files = []transfer.File{{Name: transfer.BlocksName}}
	names := []string{indexName, factsName}
	if w.plan.Leaves > 0 {
		names = append(names, logName)
	}
	if w.plan.HasGate {
		names = append(names, gateName)
	}
	for _, name := range names {
		if err := w.copy(ctx, w.cfg.Sent, name, path.Base(name), nil); err != nil {
			return err
		}
	}
	if err := w.whole(ctx); err != nil {
		return err
	}
	if err := w.parts(ctx); err != nil {
		return err
	}
	w.manifest.Volumes = w.room.volume
	blocks, err := w.parity(ctx)
	if err != nil {
		return err
	}
	return errors.Join(w.end(blocks), blocks.Close())
}

// file returns the path of a file of the transfer, below Config.Out.
func (w *writer) file(volume int, name string) string {
	return path.Join(w.manifest.Folder(), transfer.VolumeName(volume), name)
}

// folder makes the folder of a volume, and removes leftovers of a killed run from it.
func (w *writer) folder(volume int) error {
	if err := checkVolumes(int64(volume)); err != nil {
		return err
	}
	dir := path.Dir(w.file(volume, ""+transfer.NoteName))
	if err := w.out.MkdirAll(dir); err != nil {
		return err
	}
	return durable.RemoveFiles(w.out, dir, func(name string) bool {
		return durable.IsTemp(name) || strings.HasSuffix(name, bundle.PartExt)
	})
}

// choose chooses the volume of a file, and makes its folder.
func (w *writer) choose(name string, size int64) (volume int, err error) {
	before := w.room.volume
	if volume, err = w.room.put(name, size); err != nil || volume == before {
		return volume, err
	}
	return volume, w.folder(volume)
}

func (w *writer) add(f transfer.File) { w.manifest.Files = append(w.manifest.Files, f) }

// whole copies bundles and segments of the mirror.
func (w *writer) whole(ctx context.Context) error {
	sums, err := w.checksums(ctx)
	if err != nil {
		return err
	}
	for _, list := range []struct {
		names []string
		dir   string
		name  func(int) string
	}{
		{w.plan.Bundles, w.cfg.Dirs.Bundles, bundle.FileName},
		{w.plan.Segments, w.cfg.Dirs.DeepOrUsual(), deep.FileName},
	} {
		if len(list.names) == 0 {
			continue
		}
		folder, err := durable.Open(list.dir)
		if err != nil {
			return err
		}
		for i, name := range list.names {
			sum := sums[name]
			if err := w.copy(ctx, folder, name, list.name(i), &sum); err != nil {
				return errors.Join(err, folder.Close())
			}
		}
		if err := folder.Close(); err != nil {
			return err
		}
	}
	w.bundles = len(w.plan.Bundles)
	return nil
}

// checksum is the catalog's checksum of a file of the mirror.
type checksum struct {
	sum     crate.Checksum
	entries int
}

func (w *writer) checksums(ctx context.Context) (map[string]checksum, error) {
	all := map[string]checksum{}
	bundles, err := w.cfg.Mirror.Catalog.Bundles(ctx)
	if err != nil {
		return nil, err
	}
	segments, err := w.cfg.Mirror.Catalog.Segments(ctx)
	for _, b := range append(bundles, segments...) {
		all[b.Name] = checksum{b.Checksum, b.Entries}
	}
	return all, err
}

// copy copies a file into a volume and hashes it meanwhile. want is the catalog's checksum;
// nil: unknown.
func (w *writer) copy(ctx context.Context, from durable.Reader, source, name string, want *checksum) error {
	in, err := from.Open(source)
	if errors.Is(err, fs.ErrNotExist) && want != nil {
		return fmt.Errorf("%s is no longer there: begin again with another -since, or -full: %w", source, err)
	}
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	volume, err := w.choose(name, info.Size())
	if err != nil {
		return err
	}
	f := transfer.File{Volume: volume, Name: name, Size: info.Size()}
	if want != nil {
		f.SHA256, f.Entries = want.sum, want.entries
		if _, err := bundle.ParseFileName(name); err != nil {
			f.Entries = 0
		}
		if sum, size, err := w.hash(volume, name); err == nil && sum == want.sum && size == f.Size {
			w.kept++
			w.add(f)
			return nil
		}
	}
	out, err := durable.CreateWhole(w.out, w.file(volume, name), "")
	if err != nil {
		return err
	}
	sum, _, err := crate.Hash(io.TeeReader(until{ctx, in}, out))
	if err == nil && want != nil && sum != want.sum {
		err = fmt.Errorf("%s is damaged: its sha256 is %s, and the catalog has %s: clonecratesio verify -repair repairs it", source, sum, want.sum)
	}
	if err != nil {
		return errors.Join(err, out.Discard())
	}
	f.SHA256 = sum
	w.add(f)
	return out.Replace()
}

// hash hashes an existing file of the transfer.
func (w *writer) hash(volume int, name string) (sum crate.Checksum, size int64, err error) {
	f, err := w.out.Open(w.file(volume, name))
	if err != nil {
		return sum, 0, err
	}
	defer f.Close()
	return crate.Hash(f)
}

// end writes the files that are in every volume; the manifest last, because it completes a
// volume.
func (w *writer) end(blocks io.ReadSeeker) (err error) {
	sums := &w.manifest.Files[0]
	if sums.SHA256, sums.Size, err = hashAll(blocks); err != nil {
		return err
	}
	note, err := w.manifest.Seal(w.cfg.Signers...)
	if err != nil {
		return err
	}
	for _, file := range []struct {
		name string
		data io.ReadSeeker
	}{{transfer.BlocksName, blocks}, {transfer.NoteName, bytes.NewReader(note)}} {
		for v := 1; v <= w.manifest.Volumes; v++ {
			if err := w.put(w.file(v, file.name), file.data); err != nil {
				return err
			}
		}
	}
	if err := w.out.SyncDir(w.manifest.Folder()); err != nil {
		return err
	}
	return w.out.SyncDir(".")
}

func hashAll(data io.ReadSeeker) (sum crate.Checksum, size int64, err error) {
	if _, err := data.Seek(0, io.SeekStart); err != nil {
		return sum, 0, err
	}
	return crate.Hash(data)
}

// put writes a file of the transfer.
func (w *writer) put(name string, data io.ReadSeeker) error {
	if _, err := data.Seek(0, io.SeekStart); err != nil {
		return err
	}
	return durable.FillFile(w.out, name, func(to io.Writer) error {
		_, err := io.Copy(to, data)
		return err
	})
}

func (w *writer) result() *Result {
	return &Result{Manifest: w.manifest, Crates: w.plan.Crates, Bytes: w.manifest.Bytes(), Folder: w.manifest.Folder(), Kept: w.kept}
}

// until is a reader that ends with a context.
type until struct {
	ctx context.Context // of one copy
	r   io.Reader
}

func (u until) Read(p []byte) (int, error) {
	if u.ctx.Err() != nil {
		return 0, context.Cause(u.ctx)
	}
	return u.r.Read(p)
}
