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

// What is kept of a crate's Cargo.toml, so that it has some KB at most: numbers
// of characters, and of keywords or categories.
const (
	maxDescription = 1000
	maxField       = 500
	maxList        = 10
)

// maxAbout bounds how many versions are remembered.
const maxAbout = 4096

// Abouts reads what authors say, and remembers it. When it is full it forgets
// everything: what is asked for again is soon there again. Its methods may be called
// concurrently.
type Abouts struct {
	open      func(context.Context, crate.Key) (*File, error)
	log       *slog.Logger
	questions chan question // to those who read crate files

	mu   sync.Mutex // guards what follows
	read map[crate.Key]cargotoml.Package
}

// NewAbouts returns one that opens crate files with open. It answers as long as Answer
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

// About returns what the author of a version that is held says of it, cut to some KB. Of
// a crate file that cannot be parsed nothing is known. A crate file may be made so that
// it takes seconds to unpack: when ctx ends the reading continues, and a later call
// returns its result. Errors: those of Open and of ctx.
func (v *View) About(ctx context.Context, key crate.Key) (cargotoml.Package, error) {
	return v.about.Of(ctx, key)
}

// Of is [View.About] of what open opens.
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

// Answer answers questions until life ends. As many of it run as there are
// cores, so that crate files that were made to be slow slow down nothing else.
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
		a.log.Debug("nothing is known of a crate", "crate", key.Name, "version", key.Version, "err", fmt.Errorf("reading Cargo.toml: %w", err))
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

// shortened is p without what would fill the memory.
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

// first returns the first n characters of s, in memory of their own.
func first(n int, s string) string {
	runes := 0
	for i := range s {
		if runes++; runes > n {
			return string([]byte(s[:i]))
		}
	}
	return string([]byte(s))
}
