package reader

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/cargotoml"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// Limits for what is remembered of a crate's Cargo.toml, so that it has at most some KB:
// numbers of characters, and of keywords or categories.
const (
	maxDescription = 1000
	maxField       = 500
	maxList        = 10
)

// maxAbout is the number of versions that are remembered.
const maxAbout = 4096

// Abouts reads and remembers the metadata of crates. When it is full it forgets everything,
// because what is in use is soon read again. Its methods may be called concurrently.
type Abouts struct {
	open      func(context.Context, crate.Key) (*File, error)
	log       *slog.Logger
	questions chan question // for goroutines that read crate files

	mu   sync.Mutex // guards what follows
	read map[crate.Key]cargotoml.Package
}

// NewAbouts returns an Abouts that opens crate files with open. It answers while Answer
// runs.
func NewAbouts(open func(context.Context, crate.Key) (*File, error), log *slog.Logger) *Abouts {
	return &Abouts{open: open, log: log, questions: make(chan question)}
}

type question struct {
	key    crate.Key
	answer chan<- answer // never blocks
}

type answer struct {
	cargotoml.Package
	err error
}

// About returns the metadata of a held version, cut to some KB. If the crate file cannot be
// parsed, it is empty. A crate file can be crafted to take seconds to unpack: if ctx ends,
// the reading continues, and a later call returns its result. Errors: those of Open and of
// ctx.
func (v *View) About(ctx context.Context, key crate.Key) (cargotoml.Package, error) {
	return v.about.Of(ctx, key)
}

// Of does what [View.About] does, for what open opens.
func (a *Abouts) Of(ctx context.Context, key crate.Key) (cargotoml.Package, error) {
	if p, ok := a.get(key); ok {
		return p, nil
	}
	reply := make(chan answer, 1)
	select {
	case a.questions <- question{key, reply}:
	case <-ctx.Done():
		return cargotoml.Package{}, context.Cause(ctx)
	}
	select {
	case a := <-reply:
		return a.Package, a.err
	case <-ctx.Done():
		return cargotoml.Package{}, context.Cause(ctx)
	}
}

// Answer answers questions until life ends. Run one per core, so that maliciously slow
// crate files slow down nothing else.
func (a *Abouts) Answer(life context.Context) {
	for {
		select {
		case q := <-a.questions:
			p, err := a.readCargoToml(life, q.key)
			q.answer <- answer{p, err}
		case <-life.Done():
			return
		}
	}
}

func (a *Abouts) readCargoToml(ctx context.Context, key crate.Key) (p cargotoml.Package, err error) {
	if p, ok := a.get(key); ok { // another request had asked, too
		return p, nil
	}
	f, err := a.open(ctx, key)
	if err != nil {
		return p, err
	}
	defer f.Close()
	if read, err := cargotoml.Read(store.Until(ctx, f), key.ID, f.Size()); err == nil {
		p = shortened(*read)
	} else if ctx.Err() != nil {
		return p, context.Cause(ctx)
	} else {
		a.log.Debug("cannot read the metadata of a crate", "crate", key.Name, "version", key.Version, "err", fmt.Errorf("reading Cargo.toml: %w", err))
	}
	a.put(key, p)
	return p, nil
}

func (a *Abouts) get(key crate.Key) (cargotoml.Package, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, ok := a.read[key]
	return p, ok
}

func (a *Abouts) put(key crate.Key, p cargotoml.Package) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.read == nil || len(a.read) >= maxAbout {
		a.read = make(map[crate.Key]cargotoml.Package)
	}
	a.read[key] = p
}

// shortened returns p without what could fill the memory.
func shortened(p cargotoml.Package) cargotoml.Package {
	p.Description = first(maxDescription, p.Description)
	for _, s := range []*string{&p.License, &p.LicenseFile, &p.Repository, &p.Homepage, &p.Documentation, &p.Edition} {
		*s = first(maxField, *s)
	}
	for _, list := range []*[]string{&p.Categories, &p.Keywords} {
		some := make([]string, min(maxList, len(*list)))
		for i := range some {
			some[i] = first(maxField, (*list)[i])
		}
		*list = some
	}
	return p
}

// first returns the first n characters of s, in newly allocated memory.
func first(n int, s string) string {
	runes := 0
	for i := range s {
		if runes++; runes > n {
			return string([]byte(s[:i]))
		}
	}
	return string([]byte(s))
}
