package closure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// A node is a requested crate. In a wave, one goroutine owns it.
type node struct {
	name     string
	due      bool
	read     bool
	nearby   string     // if there is no such crate: one with a similar spelling
	err      error      // there is no such crate, or its file cannot be read
	versions []*version // newest first
	demands  map[string]*demand
	pending  []*demand // of these: not processed yet, or to be processed again
	pins     []Pin     // likewise
	problems []Problem // with pins
}

// A version is a line of a crate's index file.
type version struct {
	crate.ID
	number   semver.Version
	checksum crate.Checksum
	yanked   bool
	taken    bool
	pkg      *pkg  // its dependencies; nil: not read yet
	useless  error // why cargo cannot use it, as far as known
}

// A demand is a requirement on a crate, with features.
type demand struct {
	req         semver.Req
	text        string   // req as written; empty: any version
	features    []string // sorted
	defaults    bool     // and the default feature
	allFeatures bool
	where       string // the first to request it

	crate *node
	picks []*version
}

// key identifies a demand on a crate.
func (d *demand) key() string {
	return fmt.Sprintf("%s\x00%t\x00%t\x00%s", d.text, d.defaults, d.allFeatures, strings.Join(d.features, "\x00"))
}

// add makes a demand pending, and returns it or an equal one from before.
func (n *node) add(d *demand) *demand {
	key := d.key()
	if earlier := n.demands[key]; earlier != nil {
		return earlier
	}
	d.crate = n
	n.demands[key] = d
	n.pending = append(n.pending, d)
	return d
}

// visit does the pending work of a crate. It returns the dependencies to request because of
// it.
func (c *computation) visit(ctx context.Context, n *node) (asked []*edge, err error) {
	r := reader{c: c, node: n}
	if !n.read {
		if err := r.first(ctx); err != nil {
			return nil, err
		}
	}
	for i := range n.pins {
		n.pin(c, &n.pins[i])
	}
	n.pins = nil
	for _, d := range n.pending {
		d.picks, err = c.pick(n, d, func(v *version) error { return r.pkg(ctx, v) })
		if err != nil {
			return nil, err
		}
		for _, v := range d.picks {
			c.take(v)
			if v.pkg != nil {
				asked = append(asked, v.pkg.activate(d)...)
			}
		}
	}
	n.pending = nil
	return asked, nil
}

func (c *computation) take(v *version) {
	if !v.taken {
		v.taken = true
		c.opt.Progress.Versions.Add(1)
	}
}

// pin selects one version, if its checksum matches.
func (n *node) pin(c *computation, p *Pin) {
	i := slices.IndexFunc(n.versions, func(v *version) bool { return v.Version == p.Version })
	switch {
	case n.err != nil && !errors.Is(n.err, fs.ErrNotExist): // reported with the file
	case i < 0:
		n.problems = append(n.problems, Problem{ID: p.ID, Err: fmt.Errorf("%s: %s is not in the index", p.Where, p.ID)})
	case p.Checksum != crate.Checksum{} && p.Checksum != n.versions[i].checksum:
		n.problems = append(n.problems, Problem{ID: p.ID, Violated: true, Err: fmt.Errorf(
			"%s: %s has the checksum %s there, and %s in the index: find out which of the two was tampered with",
			p.Where, p.ID, p.Checksum, n.versions[i].checksum)})
	default:
		c.take(n.versions[i])
	}
}
