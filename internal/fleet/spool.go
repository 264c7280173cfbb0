package fleet

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// record is what one source says about a version.
type record struct {
	crate.Key
	Yanked bool  // according to the index
	Index  bool  // the source is the index
	File   int   // number of the bundle or segment in the root, if that is the source
	Deep   bool  // the source is a segment
	Size   int64 // of the .crate
	Offset int64 // of its frame in the bundle
	Frame  int64 // size of the frame
}

// spool divides records among files on disk, its parts: all records of a crate are in the same
// part, and each part fits into memory.
type spool struct {
	dir   string
	files []*os.File
	outs  []*bufio.Writer
	line  []byte
}

// partSize is the number of records that a part should have: some 10 MB in memory.
const partSize = 20_000

// maxParts stays below the limit of open files. Beyond ten million records, parts are larger.
const maxParts = 512

// newSpool returns a spool for about that many records, in a new folder below dir.
func newSpool(dir string, records int64) (_ *spool, err error) {
	s := &spool{}
	if s.dir, err = os.MkdirTemp(dir, "spool-"); err != nil {
		return nil, err
	}
	parts := int(min(max(records/partSize, 1), maxParts))
	for n := range parts {
		f, err := os.OpenFile(filepath.Join(s.dir, strconv.Itoa(n)), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return nil, errors.Join(err, s.remove())
		}
		s.files, s.outs = append(s.files, f), append(s.outs, bufio.NewWriterSize(f, 8<<10))
	}
	return s, nil
}

func (s *spool) add(r *record) error {
	part := crate.ShardOf(r.Name, len(s.outs))
	s.line = fmt.Appendf(s.line[:0], "%s\t%s\t%s\t%t\t%t\t%d\t%t\t%d\t%d\t%d\n", r.Name, r.Version, r.Checksum, r.Yanked, r.Index, r.File, r.Deep, r.Size, r.Offset, r.Frame)
	_, err := s.outs[part].Write(s.line)
	return err
}

// parts returns the records, one part at a time.
func (s *spool) parts() iter.Seq2[[]record, error] {
	return func(yield func([]record, error) bool) {
		for n := range s.outs {
			records, err := s.part(n)
			if !yield(records, err) || err != nil {
				return
			}
		}
	}
}

func (s *spool) part(n int) (records []record, err error) {
	if err := s.outs[n].Flush(); err != nil {
		return nil, err
	}
	if _, err := s.files[n].Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(s.files[n])
	for lines.Scan() {
		r, err := parseRecord(lines.Text())
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", s.files[n].Name(), err)
		}
		records = append(records, r)
	}
	return records, lines.Err()
}

func parseRecord(line string) (r record, err error) {
	f := strings.Split(line, "\t")
	if len(f) != 10 {
		return r, errors.New("a record is incomplete")
	}
	r.ID = crate.ID{Name: f[0], Version: f[1]}
	r.Checksum, err = crate.ParseChecksum(f[2])
	r.Yanked, r.Index, r.Deep = f[3] == "true", f[4] == "true", f[6] == "true"
	var failed error
	number := func(text string) int64 {
		n, err := strconv.ParseInt(text, 10, 64)
		failed = errors.Join(failed, err)
		return n
	}
	r.File, r.Size, r.Offset, r.Frame = int(number(f[5])), number(f[7]), number(f[8]), number(f[9])
	return r, errors.Join(err, failed)
}

// remove closes the spool and removes its folder.
func (s *spool) remove() error {
	var errs []error
	for _, f := range s.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(append(errs, os.RemoveAll(s.dir))...)
}
