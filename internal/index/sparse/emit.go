package sparse

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
)

// who is the author of the commits that are made of what a sparse index says.
const who = "clonecratesio <clonecratesio@localhost>"

// An emitter writes one commit in the language of git-fast-import(1): the reference
// is moved when all of it is durable, and not at all if anything goes wrong before.
// Git is started by the first change. Its methods may be called concurrently.
type emitter struct {
	ctx     context.Context
	work    *git.Porcelain
	ref     string
	parent  string    // commit; "" for none
	onto    string    // a reference whose tree is the beginning, in place of a parent's
	at      time.Time // of the commit
	message func() string

	mu    sync.Mutex
	pipe  *io.PipeWriter
	out   *bufio.Writer
	ended chan error // of git
	err   error      // the first that writing met
}

// start starts git and writes the head of the commit. e.mu is held.
func (e *emitter) start() {
	r, w := io.Pipe()
	e.pipe, e.out, e.ended = w, bufio.NewWriterSize(w, 64<<10), make(chan error, 1)
	go func() {
		_, err := e.work.Take(e.ctx, r, "fast-import", "--quiet", "--force", "--done", "--date-format=raw")
		if err == nil {
			err = io.ErrClosedPipe // of no consequence: all was taken
		}
		r.CloseWithError(err) // the writer must not wait for a git that is gone
		e.ended <- err
	}()
	text := e.message()
	e.printf("commit %s\ncommitter %s %d +0000\ndata %d\n%s\n", e.ref, who, e.at.Unix(), len(text), text)
	switch {
	case e.parent != "":
		e.printf("from %s\n", e.parent)
	case e.onto != "":
		e.printf("M 040000 %s \n", e.onto)
	}
}

func (e *emitter) printf(format string, args ...any) {
	if _, err := fmt.Fprintf(e.out, format, args...); err != nil && e.err == nil {
		e.err = err
	}
}

// file makes the content of a file what is given.
func (e *emitter) file(path string, content []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pipe == nil {
		e.start()
	}
	e.printf("M 100644 inline %s\ndata %d\n", path, len(content))
	if _, err := e.out.Write(content); err != nil && e.err == nil {
		e.err = err
	}
	e.printf("\n")
	return e.err
}

// remove removes a file.
func (e *emitter) remove(path string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.pipe == nil {
		e.start()
	}
	e.printf("D %s\n", path)
	return e.err
}

// commit ends the commit, and reports whether there was anything in it.
func (e *emitter) commit() (bool, error) {
	if e.pipe == nil {
		return false, nil
	}
	defer func() { e.pipe = nil }()
	e.printf("\ndone\n")
	err := e.out.Flush()
	if e.err == nil {
		e.err = err
	}
	e.pipe.CloseWithError(e.err) // nil: io.EOF
	if err := <-e.ended; err != nil && !errors.Is(err, io.ErrClosedPipe) {
		removeReports(e.work.Dir)
		return true, err // says more than that the writes failed
	}
	return true, e.err
}

// abort ends git without a commit.
func (e *emitter) abort() {
	if e.pipe == nil {
		return
	}
	e.pipe.CloseWithError(errAborted)
	<-e.ended
	e.pipe = nil
	removeReports(e.work.Dir)
}

var errAborted = errors.New("the commit was given up")

// removeReports removes what a failed fast-import has left.
func removeReports(gitDir string) {
	reports, _ := filepath.Glob(filepath.Join(gitDir, "fast_import_crash_*"))
	for _, name := range reports {
		os.Remove(name)
	}
}
