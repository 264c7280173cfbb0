package diff

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"

	"github.com/klauspost/compress/zstd"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/extsort"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/jsonl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
)

// Manifest is a Side that reads the manifest of a run or of a bundle, ours or v1.1.0's,
// compressed or not: it holds the versions that the manifest names as stored. If it names a
// version several times, the last line counts. It does not say which versions are yanked.
type Manifest struct {
	sorted  *extsort.Sorter[logged]
	dir     string // temporary
	scratch durable.FS
	unread  int64
}

// logged is the content of a line. Gob writes strings faster than arrays.
type logged struct {
	Name, Version string
	Checksum      string // empty: the version is not held
	Size          int64
}

func (l *logged) compare(m *logged) int {
	v, w := Version{Key: l.key()}, Version{Key: m.key()}
	return v.compare(&w)
}

func (l *logged) key() (k crate.Key) {
	k.Name, k.Version = l.Name, l.Version
	copy(k.Checksum[:], l.Checksum)
	return k
}

// OpenManifest reads a manifest and sorts it, in the folder for temporary files. Log logs
// the lines that are unusable.
func OpenManifest(ctx context.Context, path string, log *slog.Logger) (_ *Manifest, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	m := new(Manifest)
	if m.dir, err = os.MkdirTemp("", "clonecratesio-diff-"); err != nil {
		return nil, fmt.Errorf("making a temporary folder: %w", err)
	}
	if err := m.read(ctx, f, log); err != nil {
		return nil, errors.Join(fmt.Errorf("reading manifest %s: %w", path, err), m.Close())
	}
	return m, nil
}

func (m *Manifest) read(ctx context.Context, f io.Reader, log *slog.Logger) (err error) {
	if m.scratch, err = durable.Open(m.dir); err != nil {
		return err
	}
	if m.sorted, err = extsort.New(m.scratch, "manifest", extsort.RunBytes, (*logged).compare); err != nil {
		return err
	}
	text, stop, err := decompress(f)
	if err != nil {
		return err
	}
	defer stop()
	for rec, err := range runlog.Read(text) {
		var bad *jsonl.LineError
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, &bad):
			m.unread++
			log.Warn("not compared", "err", bad)
			continue
		case err != nil:
			return err
		}
		line, err := lineOf(&rec)
		if err != nil {
			m.unread++
			log.Warn("not compared", "url", rec.URL, "crate", rec.Crate, "err", err)
			continue
		}
		const besideTexts = 6 * 16
		if err := m.sorted.Add(line, besideTexts+len(line.Name)+len(line.Version)+len(line.Checksum)); err != nil {
			return err
		}
	}
	return nil
}

// maxWindow bounds the memory that a compressed manifest can request; ours need less.
const maxWindow = 32 << 20

// decompress returns the text of a manifest, which runs compress when they rotate it.
func decompress(f io.Reader) (_ io.Reader, stop func(), err error) {
	r := bufio.NewReader(f)
	if magic, _ := r.Peek(4); !bytes.Equal(magic, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		return r, func() {}, nil
	}
	z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxWindow(maxWindow))
	if err != nil {
		return nil, nil, err
	}
	return z, z.Close, nil
}

// lineOf converts a record. The manifest of a bundle has no field for success: all versions
// that it names are in the bundle.
func lineOf(rec *runlog.Record) (l logged, err error) {
	id, err := rec.ID()
	if err != nil {
		return l, err
	}
	l = logged{Name: id.Name, Version: id.Version, Size: rec.Size}
	if ofBundle := rec.SchemaVersion == 0; !rec.OK && !ofBundle {
		return l, nil
	}
	sum, err := crate.ParseChecksum(rec.SHA256)
	l.Checksum = string(sum[:])
	return l, err
}

// Versions implements Side.
func (m *Manifest) Versions(ctx context.Context) iter.Seq2[Version, error] {
	return func(yield func(Version, error) bool) {
		var last *logged
		tell := func() bool {
			return last == nil || last.Checksum == "" || yield(Version{Key: last.key(), Size: last.Size}, nil)
		}
		for l, err := range m.sorted.Sorted() {
			if err == nil {
				err = context.Cause(ctx)
			}
			if err != nil {
				yield(Version{}, err)
				return
			}
			if last != nil && last.compare(&l) != 0 && !tell() {
				return
			}
			last = &l
		}
		tell()
	}
}

// Revision implements Side. A manifest does not name the index.
func (m *Manifest) Revision(context.Context) (rev catalog.Revision, err error) { return rev, nil }

// Unread implements Side.
func (m *Manifest) Unread() int64 { return m.unread }

func (m *Manifest) point(path string) Point { return Point{Point: path, Manifest: true} }

// Close removes the sorted file.
func (m *Manifest) Close() error {
	var errs []error
	if m.sorted != nil {
		errs = append(errs, m.sorted.Close())
	}
	if m.scratch != nil {
		errs = append(errs, m.scratch.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(m.dir))...)
}
