// Package extent describes where in an open file some bytes are, piece by piece, and has
// the kernel send them from there, so that they are never copied through this program:
// whole loose files, and members of bundles, almost all of whose bytes are in the file
// verbatim.
//
// The maker of extents must have verified the bytes. If a file changes while it is being
// sent, the changed bytes are sent: make extents only of files that are no longer written.
package extent

import (
	"io"
	"syscall"
)

// Extent is one piece of some bytes. Its fields are read-only.
type Extent struct {
	Off  int64  // offset of the piece in the file, in bytes
	N    int64  // its length in bytes
	Data []byte // if not nil, the piece itself, which is not in the file
}

// File is an open file of the system.
type File interface {
	io.ReaderAt
	SyscallConn() (syscall.RawConn, error)
}

// Laid is content that may be in a file.
type Laid interface {
	// Extents returns the file and the pieces that make up the content, in order. The file
	// stays open until the content is closed. No pieces: it is not in a file.
	Extents() (File, []Extent)
}

// Of returns the extents of content, or no pieces if it is not in a file.
func Of(content any) (File, []Extent) {
	if laid, ok := content.(Laid); ok {
		return laid.Extents()
	}
	return nil, nil
}

// Whole returns the extents of a file of the system that is itself the content.
func Whole(f any, size int64) (File, []Extent) {
	file, ok := f.(File)
	if !ok {
		return nil, nil
	}
	return file, []Extent{{N: size}}
}

// Slice returns the extents of n bytes from an offset on, or fewer at the end.
func Slice(all []Extent, off, n int64) (some []Extent) {
	for _, e := range all {
		if n <= 0 {
			break
		}
		if off >= e.N {
			off -= e.N
			continue
		}
		e = e.from(off)
		off = 0
		if e.N > n {
			e = e.upTo(n)
		}
		n -= e.N
		some = append(some, e)
	}
	return some
}

func (e Extent) from(off int64) Extent {
	if e.Data != nil {
		e.Data = e.Data[off:]
	} else {
		e.Off += off
	}
	e.N -= off
	return e
}

func (e Extent) upTo(n int64) Extent {
	if e.Data != nil {
		e.Data = e.Data[:n]
	}
	e.N = n
	return e
}

// Reader reads the bytes that extents of a file make up. ReadAt may be called concurrently.
type Reader struct {
	*io.SectionReader
}

// NewReader returns a reader of size bytes.
func NewReader(f io.ReaderAt, all []Extent, size int64) Reader {
	return Reader{io.NewSectionReader(pieces{f, all}, 0, size)}
}

type pieces struct {
	file io.ReaderAt
	all  []Extent
}

// ReadAt implements io.ReaderAt.
func (p pieces) ReadAt(buf []byte, off int64) (n int, err error) {
	for _, e := range Slice(p.all, off, int64(len(buf))) {
		part := buf[n:][:e.N]
		if e.Data != nil {
			n += copy(part, e.Data)
			continue
		}
		read, err := p.file.ReadAt(part, e.Off)
		n += read
		if read < len(part) {
			return n, noEOF(err)
		}
	}
	if n < len(buf) {
		return n, io.EOF
	}
	return n, nil
}

// noEOF replaces io.EOF for a file that has become shorter than its extents say.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}
