package git

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// A Batch is a running "git cat-file --batch" that answers requests in sequence. It runs
// without --buffer, so that git sends each answer at once; this is not slower. A Batch must
// not be used concurrently, but another goroutine may write requests ahead.
type Batch struct {
	git    *process
	In     io.Writer     // takes names of objects, each followed by a newline
	Out    *bufio.Reader // returns a header for each; in the mode --batch also content and a newline
	closed bool
}

// Batch starts git in a mode, such as "--batch" or "--batch-check={format}". Git is killed
// when ctx ends; Close must be called in any case.
func (r *Repository) Batch(ctx context.Context, mode string) (*Batch, error) {
	p, err := r.start(ctx, "cat-file", mode)
	if err != nil {
		return nil, err
	}
	return &Batch{git: p, In: p.in, Out: bufio.NewReaderSize(p.out, 64<<10)}, nil
}

// Close ends git. Git's exit status matters only after an error: ending git here is none.
func (b *Batch) Close() error {
	if b.closed {
		return nil
	}
	b.closed = true
	b.git.in.Close()
	b.git.out.Close()
	if err := b.git.wait(); err != nil && !asked(err) {
		return err
	}
	return nil
}

// Ask requests an object and returns the header of the answer.
func (b *Batch) Ask(object string) (header string, err error) {
	if _, err := io.WriteString(b.In, object+"\n"); err != nil {
		return "", err
	}
	header, err = b.Out.ReadString('\n')
	return strings.TrimSuffix(header, "\n"), err
}

// Find requests an object and reads the header of the answer in the mode "--batch"; size
// bytes and a newline follow in Out. Errors: fs.ErrNotExist.
func (b *Batch) Find(object string) (id ID, kind string, size int64, err error) {
	header, err := b.Ask(object)
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

// An ObjectError says that an object is not of the requested kind or size. Git keeps
// running.
type ObjectError struct {
	Kind string // what it is: blob, tree, commit, tag
	Size int64  // in bytes
	Err  error
}

func (e *ObjectError) Error() string { return e.Err.Error() }
func (e *ObjectError) Unwrap() error { return e.Err }

// Object requests an object of the kind want, at most limit bytes long, and reads it, in the
// mode "--batch". Errors: as Revision.
func (b *Batch) Object(name, want string, limit int64) (content []byte, id ID, err error) {
	id, kind, size, err := b.Find(name)
	if err != nil {
		return nil, id, err
	}
	var wrong error
	switch {
	case kind != want:
		wrong = &ObjectError{kind, size, fmt.Errorf("it is a %s, not a %s", kind, want)}
	case size > limit:
		wrong = &ObjectError{kind, size, fmt.Errorf("it has %d bytes, want at most %d", size, limit)}
	}
	if wrong != nil {
		_, err = io.CopyN(io.Discard, b.Out, size)
	} else {
		content = make([]byte, size)
		_, err = io.ReadFull(b.Out, content)
	}
	if err == nil {
		_, err = b.Out.Discard(len("\n"))
	}
	if err == nil {
		err = wrong
	}
	return content, id, err
}

// Revision returns the commit whose ID begins with prefix, in the mode "--batch". An ID with
// another beginning means that prefix was the name of a tag or branch. Errors: fs.ErrNotExist;
// *ObjectError; after any other error git's answers no longer match the requests.
func (b *Batch) Revision(prefix string) (rev Revision, err error) {
	id, _, size, err := b.Find(prefix + "^{commit}")
	if err != nil {
		return rev, err
	}
	made, dateErr := committed(io.LimitReader(b.Out, size))
	if _, err := b.Out.Discard(len("\n")); err != nil {
		return rev, err
	}
	switch {
	case !strings.HasPrefix(id.String(), prefix):
		return rev, fmt.Errorf("it is not a commit: %w", fs.ErrNotExist)
	case dateErr != nil:
		return rev, &ObjectError{Kind: "commit", Size: size, Err: dateErr}
	}
	return Revision{id.String(), made}, nil
}

// committed reads a commit to its end and returns when it was made.
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

// InTree finds an entry of a folder by name, in git's format: repeated "{mode}
// {name}\x00{20 bytes of id}".
func InTree(tree []byte, name string) (id ID, ok bool) {
	for len(tree) > 0 {
		entry, rest, _ := bytes.Cut(tree, []byte{0})
		if _, found, _ := bytes.Cut(entry, []byte(" ")); string(found) == name {
			return id, copy(id[:], rest) == len(id)
		}
		tree = rest[min(len(rest), len(id)):]
	}
	return id, false
}
