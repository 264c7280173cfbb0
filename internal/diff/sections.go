package diff

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
)

// Sections collects lines by kind, in temporary files: there may be as many as there are
// versions in the registry.
type Sections struct {
	files [len(names)]*os.File // nil: no lines
	lines [len(names)]*bufio.Writer
}

// Add adds text to the section of a kind.
func (s *Sections) Add(k Kind, format string, args ...any) error {
	if s.files[k] == nil {
		f, err := os.CreateTemp("", "clonecratesio-diff-")
		if err != nil {
			return fmt.Errorf("making a temporary file: %w", err)
		}
		s.files[k], s.lines[k] = f, bufio.NewWriter(f)
	}
	_, err := fmt.Fprintf(s.lines[k], format, args...)
	return err
}

// Copy writes the section of a kind.
func (s *Sections) Copy(w io.Writer, k Kind) error {
	if s.files[k] == nil {
		return nil
	}
	if err := s.lines[k].Flush(); err != nil {
		return err
	}
	if _, err := s.files[k].Seek(0, io.SeekStart); err != nil {
		return err
	}
	_, err := io.Copy(w, s.files[k])
	return err
}

// Close removes the files.
func (s *Sections) Close() error {
	var errs []error
	for _, f := range s.files {
		if f != nil {
			errs = append(errs, f.Close(), os.Remove(f.Name()))
		}
	}
	return errors.Join(errs...)
}
