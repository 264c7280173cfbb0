package closure

import (
	"maps"
	"slices"
	"strings"
)

// activate enables the features that a demand requests of the version. It returns the
// dependencies that must be requested now, or with more features.
func (p *pkg) activate(d *demand) []*edge {
	a := activation{pkg: p, changed: map[*edge]bool{}}
	if !p.used {
		p.used = true
		for _, e := range p.edges {
			if !e.optional {
				a.enable(e)
			}
		}
	}
	a.todo = append(a.todo, d.features...)
	if _, ok := p.features["default"]; ok && d.defaults {
		a.todo = append(a.todo, "default")
	}
	if d.allFeatures {
		a.all()
	}
	for len(a.todo) > 0 {
		last := len(a.todo) - 1
		name := a.todo[last]
		a.todo = a.todo[:last]
		a.feature(name)
	}
	return a.asked
}

// An activation enables features until nothing changes any more. Enabled features stay
// enabled, so the order does not matter.
type activation struct {
	*pkg
	todo    []string // features
	changed map[*edge]bool
	asked   []*edge // those that changed, in order
}

func (a *activation) all() {
	a.todo = slices.AppendSeq(a.todo, maps.Keys(a.features))
	for _, e := range a.edges {
		a.enable(e)
	}
}

// feature enables a feature, or the optional dependency of that name.
func (a *activation) feature(name string) {
	if a.on[name] {
		return
	}
	a.on[name] = true
	values, ok := a.features[name]
	if !ok {
		a.dependency(name)
	}
	for _, value := range values {
		a.value(value)
	}
}

// value applies one value of a feature (cargo book, "Features"): "feature", "dep:x",
// "x/feature", "x?/feature".
func (a *activation) value(value string) {
	dep, feature, slash := strings.Cut(value, "/")
	alias, hidden := strings.CutPrefix(strings.TrimSuffix(dep, "?"), "dep:")
	switch {
	case slash:
		a.dependency(alias)
		a.ask(alias, feature)
		if _, ok := a.features[alias]; ok && dep == alias && a.hasOptional(alias) {
			a.todo = append(a.todo, alias)
		}
	case hidden:
		a.dependency(alias)
	default:
		a.todo = append(a.todo, value)
	}
}

func (a *activation) dependency(alias string) {
	for _, e := range a.named[alias] {
		a.enable(e)
	}
}

func (a *activation) enable(e *edge) {
	if !e.enabled {
		e.enabled = true
		a.change(e)
	}
}

func (a *activation) ask(alias, feature string) {
	for _, e := range a.named[alias] {
		if !e.features[feature] {
			e.features[feature] = true
			a.change(e)
		}
	}
}

func (a *activation) change(e *edge) {
	if e.foreign == "" && !a.changed[e] {
		a.changed[e] = true
		a.asked = append(a.asked, e)
	}
}
