package closure

import (
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/details"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// maxFormat is the newest format of index lines ("v") that cargo reads.
const maxFormat = 2

// A pkg is a version's dependencies, and which of them are wanted.
type pkg struct {
	edges    []*edge
	named    map[string][]*edge // by the name that the crate gives them
	features map[string][]string
	on       map[string]bool // enabled features
	used     bool
}

// An edge is a normal or build dependency.
type edge struct {
	of       crate.ID
	alias    string // its name in of
	name     string
	req      semver.Req
	text     string
	optional bool
	defaults bool
	foreign  string // the other registry, if any
	enabled  bool
	features map[string]bool // requested
	demand   *demand         // its last request; nil: none yet
}

// readPkg reads the dependencies of an index line. An error says why cargo would not use
// it.
func readPkg(e *index.Entry) (*pkg, error) {
	l, err := details.Parse(e.Raw)
	if err != nil {
		return nil, fmt.Errorf("%s: reading its index line: %w", e.ID, err)
	}
	if l.V != nil && *l.V > maxFormat {
		return nil, fmt.Errorf("%s: its index line has format %d, cargo knows %d", e.ID, *l.V, maxFormat)
	}
	p := &pkg{named: map[string][]*edge{}, features: l.AllFeatures(), on: map[string]bool{}}
	for i := range l.Deps {
		d := &l.Deps[i]
		edge, err := newEdge(e.ID, d)
		if err != nil {
			return nil, fmt.Errorf("%s: its dependency %s: %w", e.ID, d.Name, err)
		}
		if d.Kind != "dev" {
			p.edges = append(p.edges, edge)
			p.named[edge.alias] = append(p.named[edge.alias], edge)
		}
	}
	return p, nil
}

func newEdge(of crate.ID, d *details.Dep) (*edge, error) {
	e := &edge{
		of: of, alias: d.Name, name: d.Crate(), text: d.Req, optional: d.Optional, defaults: !d.NoDefaults(),
		features: map[string]bool{},
	}
	for _, f := range d.Features {
		e.features[f] = true
	}
	// In the index of a registry, its own crates have no registry.
	if d.Registry != "" && !isCratesIO(d.Registry) {
		e.foreign = d.Registry
	}
	var err error
	e.req, err = semver.ParseReq(d.Req)
	return e, err
}

// offers reports whether the version has features. An optional dependency is one.
func (p *pkg) offers(features []string) bool {
	for _, f := range features {
		if _, ok := p.features[f]; !ok && !p.hasOptional(f) {
			return false
		}
	}
	return true
}

func (p *pkg) hasOptional(alias string) bool {
	for _, e := range p.named[alias] {
		if e.optional {
			return true
		}
	}
	return false
}
