package closure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// A node is a crate that somebody asks for. In a wave, one goroutine has it.
type node struct {
	name     string
	due      bool
	read     bool
	err      error      // there is no such crate, or its file cannot be read
	versions []*version // newest first
	demands  map[string]*demand
	pending  []*demand // of these: not looked at yet, or to be looked at again
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
	pkg      *pkg  // what it depends on; nil: not read yet
	useless  error // why cargo cannot use it, as far as is known
}

// A demand is what somebody wants of a crate.
type demand struct {
	req         semver.Req
	text        string   // req as it was written; empty: any version
	features    []string // sorted
	defaults    bool     // and the default feature
	allFeatures bool
	where       string // who was the first to want it

	crate *node
	picks []*version
}

// key tells demands on the same crate apart.
func (d *demand) key() string {
	return fmt.Sprint(d.text, "\x00", d.defaults, d.allFeatures, "\x00", strings.Join(d.features, "\x00"))
}

// add makes a demand pending, and returns it or an equal one that was there.
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

// visit does what is due for a crate. It returns the dependencies that are to be
// asked for because of it.
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

// pin takes one version, if it is the one that is meant.
func (n *node) pin(c *computation, p *Pin) {
	i := slices.IndexFunc(n.versions, func(v *version) bool { return v.Version == p.Version })
	switch {
	case n.err != nil && !errors.Is(n.err, fs.ErrNotExist): // told with the file
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

// pick returns the versions that a demand takes. read makes v.pkg known, or
// v.useless; it is called only if dependencies are followed.
func (c *computation) pick(n *node, d *demand, read func(v *version) error) (picks []*version, err error) {
	counted := map[release]int{}
	for _, v := range n.versions {
		group, ok := c.group(n, d, v)
		if !ok || c.opt.Latest > 0 && counted[group] == c.opt.Latest {
			continue
		}
		if c.opt.Follow {
			if err := read(v); err != nil {
				return nil, err
			}
		}
		picks = append(picks, v)
		if d.satisfied(v) {
			counted[group]++
		}
	}
	return picks, nil
}

// A release is what pre-releases precede.
type release struct{ major, minor, patch uint64 }

// group says whether v is what a demand wants, and which others are so in its
// stead: all releases for one another, and the pre-releases of one release.
func (c *computation) group(n *node, d *demand, v *version) (release, bool) {
	w := &v.number
	switch {
	case v.yanked && !c.opt.Yanked:
		return release{}, false
	case d.text == "":
		// Somebody who names a crate alone wants releases, unless he wants all or
		// there are none.
		return release{}, w.Pre == "" || c.opt.Latest == 0 || !n.hasRelease(c.opt.Yanked)
	case !d.req.Matches(*w):
		return release{}, false
	case w.Pre != "":
		return release{w.Major, w.Minor, w.Patch}, true
	}
	return release{}, true
}

func (n *node) hasRelease(yanked bool) bool {
	return slices.ContainsFunc(n.versions, func(v *version) bool { return v.number.Pre == "" && (yanked || !v.yanked) })
}

// satisfied reports whether cargo could use v for d, as far as is known.
func (d *demand) satisfied(v *version) bool {
	return !v.yanked && v.useless == nil && (v.pkg == nil || v.pkg.offers(d.features))
}

// met reports whether there is something that cargo could use.
func (d *demand) met() bool { return slices.ContainsFunc(d.picks, d.satisfied) }

// A reader reads a crate's index file, once for a visit and only if it has to:
// what was read is not kept.
type reader struct {
	c    *computation
	node *node
	file *index.Crate
}

func (r *reader) open(ctx context.Context) error {
	if r.file != nil {
		return nil
	}
	file, err := r.c.lookup.Crate(ctx, r.node.name)
	if err != nil {
		return err
	}
	r.file = file
	return nil
}

// first lists the versions of the crate.
func (r *reader) first(ctx context.Context) error {
	n := r.node
	n.read = true
	r.c.opt.Progress.Crates.Add(1)
	err := r.open(ctx)
	if errors.Is(err, fs.ErrNotExist) {
		n.err = err
		return nil
	}
	if err != nil {
		return err
	}
	n.err = r.file.Err
	n.versions = versions(r.file)
	return nil
}

// versions lists the versions of a crate that cargo can read, newest first.
func versions(c *index.Crate) []*version {
	list := make([]*version, 0, len(c.Entries))
	for i := range c.Entries {
		e := &c.Entries[i]
		number, err := semver.Parse(e.Version)
		if err != nil { // has a number beyond 64 bits
			continue
		}
		list = append(list, &version{ID: e.ID, number: number, checksum: e.Checksum, yanked: e.Yanked})
	}
	slices.SortFunc(list, func(a, b *version) int { return cmp.Or(b.number.Compare(a.number), strings.Compare(a.Name, b.Name)) })
	return list
}

// pkg reads the dependencies of a version.
func (r *reader) pkg(ctx context.Context, v *version) error {
	if v.pkg != nil || v.useless != nil {
		return nil
	}
	if err := r.open(ctx); err != nil {
		return err
	}
	for i := range r.file.Entries {
		if e := &r.file.Entries[i]; e.ID == v.ID {
			v.pkg, v.useless = readPkg(e)
			return nil
		}
	}
	return fmt.Errorf("the index changed while it was read: %s is gone from it; run again", v.ID)
}
