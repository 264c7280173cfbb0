package send

import (
	"bufio"
	"cmp"
	"encoding/gob"
	"errors"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// A row is a carried crate file, with its place when the plan was made.
type row struct {
	ID   crate.ID
	Sum  crate.Checksum
	Size int64
	At   store.Placement
}

func (r *row) key() crate.Key { return crate.Key{ID: r.ID, Checksum: r.Sum} }

// spool is the carried rows, on disk because there may be millions.
type spool struct {
	file *durable.WholeFile
	zstd *zstd.Encoder
	out  *bufio.Writer
	gob  *gob.Encoder
}

func createSpool(sent durable.FS) (*spool, error) {
	f, err := durable.CreateWhole(sent, rowsName, "")
	if err != nil {
		return nil, err
	}
	z, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(1<<20))
	if err != nil {
		return nil, errors.Join(err, f.Discard())
	}
	s := &spool{file: f, zstd: z, out: bufio.NewWriterSize(z, 64<<10)}
	s.gob = gob.NewEncoder(s.out)
	return s, nil
}

func (s *spool) add(v *catalog.Version) error {
	return s.gob.Encode(row{v.ID, v.Checksum, v.Size, v.Placement})
}

func (s *spool) close() error {
	if err := cmp.Or(s.out.Flush(), s.zstd.Close()); err != nil {
		return errors.Join(err, s.file.Discard())
	}
	return s.file.Replace()
}

// readSpool yields the rows. An error ends the sequence.
func readSpool(sent durable.Reader) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		f, err := sent.Open(rowsName)
		if err != nil {
			yield(row{}, err)
			return
		}
		defer f.Close()
		z, err := zstd.NewReader(f, zstd.WithDecoderConcurrency(1))
		if err != nil {
			yield(row{}, err)
			return
		}
		defer z.Close()
		dec := gob.NewDecoder(bufio.NewReaderSize(z, 64<<10))
		for {
			var r row
			err := dec.Decode(&r)
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}

// statIn describes a file of the mirror.
func statIn(dir, name string) (fs.FileInfo, error) {
	info, err := os.Lstat(filepath.Join(dir, name))
	if err == nil && !info.Mode().IsRegular() {
		err = durable.ErrNotRegular
	}
	return info, err
}
