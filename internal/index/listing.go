package index

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// maxTreeLine bounds a line of git's listing, which is some 70 bytes.
const maxTreeLine = 64 << 10

// list yields the index files of a commit. Git's order, bytewise by path, is
// ours.
func (r *repository) list(ctx context.Context, commit string) iter.Seq2[listed, error] {
	return func(yield func(listed, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		p, err := r.start(ctx, "ls-tree", "-r", "-z", "--full-tree", commit)
		if err != nil {
			cancel()
			yield(listed{}, fmt.Errorf("listing commit %s: %w", commit, err))
			return
		}
		err = eachTreeLine(p.out, func(f listed) bool { return yield(f, nil) })
		if err != nil { // git has more to say, which nobody reads
			cancel()
		}
		err = errors.Join(err, p.wait())
		cancel()
		if err != nil && !errors.Is(err, errStopped) {
			yield(listed{}, fmt.Errorf("listing commit %s: %w", commit, err))
		}
	}
}

// eachTreeLine calls yield for what is at index paths in the output of ls-tree.
// It returns errStopped if yield wants no more.
func eachTreeLine(out io.Reader, yield func(listed) bool) error {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, maxTreeLine)
	lines.Split(splitNUL)
	for lines.Scan() {
		f, err := parseTreeLine(lines.Bytes())
		if err != nil {
			return err
		}
		if f.Path != "" && !yield(f) {
			return errStopped
		}
	}
	return lines.Err()
}

func splitNUL(data []byte, _ bool) (int, []byte, error) {
	if i := bytes.IndexByte(data, 0); i >= 0 {
		return i + 1, data[:i], nil
	}
	return 0, nil, nil
}

// parseTreeLine parses "{mode} {type} {id}\t{path}". Path is empty if the line
// is none of our business.
func parseTreeLine(line []byte) (listed, error) {
	meta, name, _ := bytes.Cut(line, []byte("\t"))
	mode, rest, _ := bytes.Cut(meta, []byte(" "))
	_, id, _ := bytes.Cut(rest, []byte(" "))
	f, err := parsePath(mode, id, string(name))
	if err != nil {
		return listed{}, fmt.Errorf("unexpected line of ls-tree: %.100q", line)
	}
	return f, nil
}

// parsePath is what git says of a path, which is empty in the answer if it is
// none of our business.
func parsePath(mode, id []byte, name string) (listed, error) {
	f := listed{File: File{Path: name}}
	if n, err := hex.Decode(f.Blob[:], id[:min(len(id), 2*len(f.Blob))]); err != nil || n != len(f.Blob) {
		return listed{}, fmt.Errorf("%.100q is no id of a blob", id)
	}
	regular := string(mode) == "100644" || string(mode) == "100755"
	switch {
	case regular && crate.IsIndexPath(f.Path):
		f.err = checkName(f.Path)
	case !regular && (crate.IsIndexPath(f.Path) || isPrefix(f.Path)):
		f.err = fmt.Errorf("%w, git mode %s", errNotRegular, mode)
	default:
		f.Path = ""
	}
	return f, nil
}

// errNotRegular is for symbolic links, FIFOs, devices, submodules. They are
// never followed or opened.
var errNotRegular = errors.New("not a regular file")

// ErrName: an index has a crate of which the name is none that a mirror can take.
var ErrName = errors.New("cannot be mirrored")

// checkName refuses the file of a crate that cargo would find, but which cannot be
// stored here: to leave it out without a word would make a mirror complete that
// is not.
func checkName(p string) error {
	if err := crate.CheckName(path.Base(p)); err != nil {
		return fmt.Errorf("%w: %w", ErrName, err)
	}
	return nil
}

// isPrefix reports whether dir is a folder in which an index has files or
// further such folders: "1", "3/a", "se", "se/rd".
func isPrefix(dir string) bool {
	first, second, deep := strings.Cut(dir, "/")
	switch {
	case !deep && (first == "1" || first == "2" || first == "3"):
		return true
	case !deep:
		return crate.IsIndexPath(first + "/aa/" + first + "aa")
	case first == "3":
		return crate.IsIndexPath("3/" + second + "/" + second + "aa")
	default:
		return crate.IsIndexPath(dir + "/" + first + second)
	}
}
