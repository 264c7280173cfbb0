package sparse

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync"
)

// A spool keeps validators on the disk until their commit exists. Its name is one that git,
// and a later update, clean up.
type spool struct {
	mu   sync.Mutex
	file *os.File
	out  *bufio.Writer
	n    int
}

func newSpool(gitDir string) (*spool, error) {
	f, err := os.CreateTemp(filepath.Join(gitDir, "objects"), "tmp_objdir-sparse-")
	if err != nil {
		return nil, err
	}
	return &spool{file: f, out: bufio.NewWriter(f)}, nil
}

// add may be called concurrently.
func (s *spool) add(path, text string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n++
	for _, part := range []string{path, text} {
		if _, err := s.out.Write(binary.AppendUvarint(nil, uint64(len(part)))); err != nil {
			return err
		}
		if _, err := s.out.WriteString(part); err != nil {
			return err
		}
	}
	return nil
}

// each calls fn for what was added.
func (s *spool) each(fn func(path string, text []byte) error) error {
	if err := s.out.Flush(); err != nil {
		return err
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	in := bufio.NewReader(s.file)
	for range s.n {
		var parts [2][]byte
		for i := range parts {
			n, err := binary.ReadUvarint(in)
			if err != nil {
				return err
			}
			parts[i] = make([]byte, n)
			if _, err := io.ReadFull(in, parts[i]); err != nil {
				return err
			}
		}
		if err := fn(string(parts[0]), parts[1]); err != nil {
			return err
		}
	}
	return nil
}

func (s *spool) close() error {
	return errors.Join(s.file.Close(), os.Remove(s.file.Name()))
}
