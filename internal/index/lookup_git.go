package index

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	pathpkg "path"
	"strconv"
	"strings"
	"time"
)

// A gitLookup reads files of commits through a git of its own.
type gitLookup struct{ *objects }

func (r *repository) newLookup(ctx context.Context) (lookupReader, error) {
	o, err := r.openObjects(ctx)
	if err != nil {
		return nil, err
	}
	return &gitLookup{o}, nil
}

func (g *gitLookup) close() error { return g.objects.close() }

func (g *gitLookup) lookup(commit, path string) (content []byte, blob Blob, err error) {
	content, blob, err = g.object(commit+":"+path, "blob")
	if !errors.Is(err, fs.ErrNotExist) {
		return content, blob, err
	}
	folder, _, err := g.object(commit+":"+pathpkg.Dir(path), "tree")
	_, listed := inTree(folder, pathpkg.Base(path))
	switch {
	case err == nil && listed: // a partial clone
		err = &fileError{errMissing}
	case err == nil:
		err = fs.ErrNotExist
	case errors.Is(err, fs.ErrNotExist):
		err = g.absent(commit)
	}
	return nil, blob, err
}

// blob implements lookupReader. It reads the folder, which is smaller than many a
// file in it.
func (g *gitLookup) blob(commit, path string) (Blob, error) {
	folder, _, err := g.object(commit+":"+pathpkg.Dir(path), "tree")
	if errors.Is(err, fs.ErrNotExist) {
		err = g.absent(commit)
	}
	if err != nil {
		return Blob{}, err
	}
	id, ok := inTree(folder, pathpkg.Base(path))
	if !ok {
		return Blob{}, fs.ErrNotExist
	}
	return id, nil
}

// inTree finds something in a folder by its name, as git keeps it:
// "{mode} {name}\x00{20 bytes of id}" again and again.
func inTree(tree []byte, name string) (id Blob, ok bool) {
	for len(tree) > 0 {
		entry, rest, _ := bytes.Cut(tree, []byte{0})
		if _, found, _ := bytes.Cut(entry, []byte(" ")); string(found) == name {
			return id, copy(id[:], rest) == len(id)
		}
		tree = rest[min(len(rest), len(id)):]
	}
	return id, false
}

// absent says that the commit has no such folder, if it is the folder that is
// missing: after a squash and "git gc --prune=now" it is the commit.
func (g *gitLookup) absent(commit string) error {
	_, _, size, err := g.find(commit)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("git has commit %s no more", commit)
	}
	if err == nil {
		_, err = io.CopyN(io.Discard, g.out, size+int64(len("\n")))
	}
	return cmp.Or(err, fs.ErrNotExist)
}

// revision implements lookupReader. A name that is no beginning of what it leads to
// is that of a tag, or of a branch that is called so.
func (g *gitLookup) revision(prefix string) (rev Revision, err error) {
	id, _, size, err := g.find(prefix + "^{commit}")
	if err != nil {
		return rev, err
	}
	made, dateErr := committed(io.LimitReader(g.out, size))
	if _, err := g.out.Discard(len("\n")); err != nil {
		return rev, err
	}
	switch {
	case !strings.HasPrefix(id.String(), prefix):
		return rev, fmt.Errorf("it is no commit: %w", fs.ErrNotExist)
	case dateErr != nil:
		return rev, &fileError{dateErr}
	}
	return Revision{id.String(), made}, nil
}

// committed reads all of a commit and returns when it was made.
func committed(object io.Reader) (made time.Time, err error) {
	err = errors.New("the commit has no date")
	for lines := bufio.NewScanner(object); lines.Scan() && lines.Text() != ""; {
		fields := strings.Fields(lines.Text())
		if n := len(fields); n > 2 && fields[0] == "committer" {
			var unix int64
			unix, err = strconv.ParseInt(fields[n-2], 10, 64)
			made = time.Unix(unix, 0)
			break
		}
	}
	_, readErr := io.Copy(io.Discard, object)
	return made, errors.Join(err, readErr)
}

// ask asks for an object and returns the header of the answer.
func (g *gitLookup) ask(object string) (header string, err error) {
	if _, err := io.WriteString(g.git.in, object+"\n"); err != nil {
		return "", err
	}
	header, err = g.out.ReadString('\n')
	return strings.TrimSuffix(header, "\n"), err
}

// find asks for an object and reads the header of the answer. Errors: fs.ErrNotExist.
func (g *gitLookup) find(object string) (id Blob, kind string, size int64, err error) {
	header, err := g.ask(object)
	if err != nil {
		return id, "", 0, err
	}
	if header == object+" missing" || header == object+" ambiguous" {
		return id, "", 0, fs.ErrNotExist
	}
	var digits []byte
	if _, err := fmt.Sscanf(header, "%x %s %d", &digits, &kind, &size); err != nil || copy(id[:], digits) != len(id) {
		return id, "", 0, fmt.Errorf("git answered %.100q", header)
	}
	return id, kind, size, nil
}

// object asks for an object and reads it.
func (g *gitLookup) object(name, want string) (content []byte, id Blob, err error) {
	id, kind, size, err := g.find(name)
	if err != nil {
		return nil, id, err
	}
	content, err = g.body(kind == want, size)
	return content, id, err
}

// body reads what follows a header.
func (g *gitLookup) body(regular bool, size int64) (content []byte, err error) {
	bad := checkSize(size)
	if !regular {
		bad = errNotRegular
	}
	if bad != nil {
		_, err = io.CopyN(io.Discard, g.out, size)
	} else {
		content = make([]byte, size)
		_, err = io.ReadFull(g.out, content)
	}
	if err == nil {
		_, err = g.out.Discard(len("\n"))
	}
	if err == nil && bad != nil {
		err = &fileError{bad}
	}
	return content, err
}
