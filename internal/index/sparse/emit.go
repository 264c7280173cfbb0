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

// who is the author of commits made from a sparse index.
const who = "clonecratesio <clonecratesio@localhost>"

// An emitter writes one commit as input for git-fast-import(1). The reference moves once
// everything is durable, and not at all if anything fails before. The first change starts
// git. Its methods may be called concurrently.
type emitter struct {
	ctx     context.Context
	work    *git.Porcelain
	ref     string
	parent  string    // commit; "" for none
	onto    string    // a reference whose tree to start from, instead of a parent's
	at      time.Time // of the commit
	message func() string

	mu    sync.Mutex
	pipe  *io.PipeWriter
	out   *bufio.Writer
	ended chan error // of git
	err   error      // the first error of writing
}

// start starts git and writes the header of the commit. The caller holds e.mu.
func (e *emitter) start() {
	r, w := io.Pipe()
	e.pipe, e.out, e.ended = w, bufio.NewWriterSize(w, 64<<10), make(chan error, 1)
	go func() {
		_, err := e.work.Take(e.ctx, r, "fast-import", "--quiet", "--force", "--done", "--date-format=raw")
		if err == nil {
			err = io.ErrClosedPipe // harmless: everything was written
		}
		r.CloseWithError(err) // the writer must not wait for a git that has ended
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

// file sets the content of a file.
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

// commit ends the commit, and reports whether it had any changes.
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
		return true, err // says more than the failed writes
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

// removeReports removes the reports of a failed fast-import.
func removeReports(gitDir string) {
	reports, _ := filepath.Glob(filepath.Join(gitDir, "fast_import_crash_*"))
	for _, name := range reports {
		os.Remove(name)
	}
}
