// Package gitweb lets git, and programs that contain git, fetch from a mirror over HTTP:
// git's smart protocol (gitprotocol-http(5)), versions 0 to 2, by "git upload-pack".
//
//	/git/index       the index as it is, with the days that are kept of its past
//	                 (refs/clonecratesio/days/), for other mirrors
//	/git/registry    a registry for cargo before 1.68, which speaks no sparse protocol;
//	                 [Registry] makes it. With -git alone
//
// Nothing can be pushed, and nothing but HEAD, branches and days is shown.
//
// # Limits
//
// A request has at most 4 MiB, gzipped or not, enough for a client to name 80,000 commits.
// It is read completely, within a minute, before git is started; at most 32 are read at a
// time. One git per core runs at a time; a client that waits longer than ten seconds for
// one is asked to retry. An answer ends when the client reads nothing for half a minute,
// and after an hour at the latest. Git reads only the repository's configuration, and runs
// nothing that is in it (package git).
package gitweb

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/git"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// Prefix is the prefix of all paths that the handler answers.
const Prefix = "/git/"

// The repositories, by their names below Prefix.
const (
	IndexName    = "index"
	RegistryName = "registry"
)

// Limits: see the package comment.
const (
	maxRequest = 4 << 20
	maxReading = 32
	readTime   = time.Minute
	waitTime   = 10 * time.Second
	idleTime   = 30 * time.Second
	wholeTime  = time.Hour
)

// Config configures a [Handler].
type Config struct {
	Index string // the folder of the index
	// Registry returns the git directory of the registry, or fs.ErrNotExist if there is none
	// yet. If nil, there is no registry.
	Registry func() (string, error)
	Log      *slog.Logger // must not be nil
}

// Handler serves the paths below [Prefix].
type Handler struct {
	cfg     Config
	reading chan struct{} // holds a token for each request that is being read
	running chan struct{} // holds a token for each running git
}

// New returns a handler.
func New(cfg Config) *Handler {
	return &Handler{cfg: cfg, reading: make(chan struct{}, maxReading), running: make(chan struct{}, runtime.GOMAXPROCS(0))}
}

// refusal is an answer in plain text instead of a pack.
type refusal struct {
	code int
	text string
}

func (e *refusal) Error() string { return e.text }

var (
	errNoSuch   = &refusal{http.StatusNotFound, "Not found: fetch this mirror's index from /git/index."}
	errDumb     = &refusal{http.StatusForbidden, "This git is too old: this mirror speaks only git's smart protocol."}
	errPush     = &refusal{http.StatusForbidden, "This mirror is read-only: it accepts no pushes."}
	errBusy     = &refusal{http.StatusServiceUnavailable, "This mirror is busy. Try again in a moment."}
	errTooLarge = &refusal{http.StatusRequestEntityTooLarge, "The request is too large. Fetch with less history."}
	errUnclear  = &refusal{http.StatusBadRequest, "This is not a valid git request."}
	errFolder   = &refusal{http.StatusNotFound, "The index of this mirror is a plain folder, from which git cannot fetch."}
	errNotYet   = &refusal{http.StatusServiceUnavailable, "The registry is not ready yet. Try again in a few minutes."}
)

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	err := h.answer(w, r)
	var refused *refusal
	switch {
	case err == nil || r.Context().Err() != nil:
	case errors.As(err, &refused):
		if refused.code == http.StatusServiceUnavailable {
			w.Header().Set("Retry-After", "5")
		}
		http.Error(w, refused.text, refused.code)
	default:
		h.cfg.Log.Warn("a git client got no whole answer", "path", r.URL.Path, "err", err)
		panic(http.ErrAbortHandler) // the client must not mistake a partial answer for a complete one
	}
}

// answer answers a request.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request) error {
	name, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, Prefix), "/")
	if name = strings.TrimSuffix(name, ".git"); name != IndexName && name != RegistryName {
		return errNoSuch
	}
	switch {
	case rest == "info/refs" && r.Method == http.MethodGet:
		return h.advertise(w, r, name)
	case rest == "git-upload-pack" && r.Method == http.MethodPost:
		return h.pack(w, r, name)
	case rest == "git-receive-pack":
		return errPush
	}
	return errNoSuch
}

// repository opens the repository with a name.
func (h *Handler) repository(name string) (*git.Repository, error) {
	if name == RegistryName {
		if h.cfg.Registry == nil {
			return nil, &refusal{http.StatusNotFound, "This mirror serves no registry for git: its operator can enable one with serve -git."}
		}
		dir, err := h.cfg.Registry()
		if errors.Is(err, os.ErrNotExist) {
			return nil, errNotYet
		}
		return &git.Repository{Dir: dir}, err
	}
	root, err := os.OpenRoot(h.cfg.Index)
	if errors.Is(err, os.ErrNotExist) {
		return nil, errNoSuch
	}
	if err != nil {
		return nil, fmt.Errorf("opening the index: %w", err)
	}
	defer root.Close()
	dir, _ := git.Find(root)
	if dir == "" {
		return nil, errFolder
	}
	return &git.Repository{Dir: dir}, nil
}

// advertise sends the references or capabilities, a client's first request.
func (h *Handler) advertise(w http.ResponseWriter, r *http.Request, name string) error {
	switch r.URL.Query().Get("service") {
	case "git-upload-pack":
	case "git-receive-pack":
		return errPush
	default:
		return errDumb
	}
	out := &answer{w: w, kind: "application/x-git-upload-pack-advertisement"}
	p := git.Pack{Advertise: true, Version: version(r), In: strings.NewReader(""), Out: out}
	if p.Version != "version=2" { // as git-http-backend does
		out.first = "001e# service=git-upload-pack\n0000"
	}
	return h.run(r.Context(), name, p)
}

// pack sends the objects that a client wants and does not have.
func (h *Handler) pack(w http.ResponseWriter, r *http.Request, name string) error {
	if r.Header.Get("Content-Type") != "application/x-git-upload-pack-request" {
		return errUnclear
	}
	body, err := h.read(w, r)
	if err != nil {
		return err
	}
	return h.run(r.Context(), name, git.Pack{
		Version: version(r), In: bytes.NewReader(body),
		Out: &answer{w: w, kind: "application/x-git-upload-pack-result"},
	})
}

// version returns the protocol version that a client requests, or "" if git has no such
// version.
func version(r *http.Request) string {
	switch v := r.Header.Get("Git-Protocol"); v {
	case "version=1", "version=2":
		return v
	}
	return ""
}

// read reads a whole request.
func (h *Handler) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	if !take(r.Context(), h.reading) {
		return nil, errBusy
	}
	defer func() { <-h.reading }()
	// Only in tests, the writer has no deadlines.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTime))
	var from io.Reader = http.MaxBytesReader(w, r.Body, maxRequest)
	switch r.Header.Get("Content-Encoding") {
	case "", "identity":
	case "gzip", "x-gzip":
		z, err := gzip.NewReader(from)
		if err != nil {
			return nil, errUnclear
		}
		from = z
	default:
		return nil, errUnclear
	}
	body, err := io.ReadAll(io.LimitReader(from, maxRequest+1))
	switch {
	case len(body) > maxRequest || errors.As(err, new(*http.MaxBytesError)):
		return nil, errTooLarge
	case err != nil:
		return nil, errUnclear
	}
	return body, nil
}

// take waits for room, but not for long.
func take(ctx context.Context, room chan struct{}) bool {
	wait := time.NewTimer(waitTime)
	defer wait.Stop()
	select {
	case room <- struct{}{}:
		return true
	case <-wait.C:
	case <-ctx.Done():
	}
	return false
}

// run runs git. Git's messages about an invalid request go to the client.
func (h *Handler) run(ctx context.Context, name string, p git.Pack) error {
	repo, err := h.repository(name)
	if err != nil {
		return err
	}
	if !take(ctx, h.running) {
		return errBusy
	}
	defer func() { <-h.running }()
	ctx, cancel := context.WithTimeout(ctx, wholeTime)
	defer cancel()
	p.Idle = idleTime
	out := p.Out.(*answer)
	err = repo.ServePack(ctx, p, index.DaysRef+"/")
	if err == nil {
		return out.begin() // git had no output
	}
	if !out.begun {
		h.cfg.Log.Warn("git refused a client's request", "repository", name, "err", err)
		return errUnclear
	}
	if out.broken { // the client went away
		return nil
	}
	return err
}

// answer sends git's output, with headers before its first byte.
type answer struct {
	w      http.ResponseWriter
	kind   string // Content-Type
	first  string // sent before git's output
	begun  bool
	broken bool // the client has stopped reading
}

func (a *answer) begin() error {
	if a.begun {
		return nil
	}
	a.begun = true
	a.w.Header().Set("Content-Type", a.kind)
	a.w.Header().Set("Cache-Control", "no-cache, max-age=0, must-revalidate")
	_, err := io.WriteString(a.w, a.first)
	return err
}

// Write implements io.Writer.
func (a *answer) Write(p []byte) (n int, err error) {
	if err = a.begin(); err == nil {
		if n, err = a.w.Write(p); err == nil {
			err = http.NewResponseController(a.w).Flush()
		}
	}
	a.broken = a.broken || err != nil
	return n, err
}
