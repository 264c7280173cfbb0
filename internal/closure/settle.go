package closure

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
)

// settle finds versions that are useless, because something that they always need is
// missing, and makes their dependants look for older ones. It reports whether anything is
// due as a result.
func (c *computation) settle() bool {
	for again := c.opt.Follow; again; {
		again = false
		for _, n := range c.inOrder() {
			if n.weed() {
				again = true
				c.lookAgain(n)
			}
		}
	}
	return len(c.due) > 0
}

// inOrder returns the crates by name.
func (c *computation) inOrder() []*node {
	return slices.SortedFunc(maps.Values(c.nodes), func(a, b *node) int { return strings.Compare(a.name, b.name) })
}

// weed finds useless versions, and reports whether there are new ones.
func (n *node) weed() (found bool) {
	for _, v := range n.versions {
		if v.taken && v.pkg != nil && v.useless == nil {
			v.useless = v.pkg.unmet()
			found = found || v.useless != nil
		}
	}
	return found
}

// unmet returns why the version cannot get something that it always needs.
func (p *pkg) unmet() error {
	for _, e := range p.edges {
		if e.demand != nil && !e.optional && !e.demand.met() {
			return fmt.Errorf("%s needs %w", e.of, e.demand.unmet())
		}
	}
	return nil
}

func (c *computation) lookAgain(n *node) {
	if c.opt.Latest == 0 {
		return // all versions are selected
	}
	n.pending = n.pending[:0]
	for _, key := range slices.Sorted(maps.Keys(n.demands)) {
		n.pending = append(n.pending, n.demands[key])
	}
	c.node(n.name)
}

// unmet returns why no version that cargo could use was found.
func (d *demand) unmet() error {
	what := d.crate.name
	if d.text != "" {
		what += " " + d.text
	}
	return fmt.Errorf("%s: %w", what, d.reason())
}

func (d *demand) reason() error {
	n := d.crate
	if errors.Is(n.err, fs.ErrNotExist) {
		return n.absent()
	}
	if n.err != nil {
		return fmt.Errorf("its index file cannot be read: %w", n.err)
	}
	for _, v := range d.picks {
		if v.useless != nil {
			return v.useless
		}
		if !v.yanked {
			return fmt.Errorf("%s does not have all of the features %s", v.ID, strings.Join(d.features, ", "))
		}
	}
	for _, v := range n.versions {
		if v.yanked && (d.text == "" || d.req.Matches(v.number)) {
			return errors.New("every version that matches is yanked")
		}
	}
	if len(n.versions) == 0 {
		return errors.New("no line of its index file can be used")
	}
	return fmt.Errorf("no version matches; the newest is %s", n.versions[0].Version)
}
