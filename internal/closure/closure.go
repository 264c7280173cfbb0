package closure

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// A Root is a crate requested by name.
type Root struct {
	Name  string
	Req   semver.Req
	Text  string // Req as written; empty: any version
	Where string // file and line of the request
}

// A Pin is one requested version, yanked or not.
type Pin struct {
	crate.ID
	Checksum crate.Checksum // that the index must name, too; zero: any
	Where    string
}

// Wishes are the requested crates and versions.
type Wishes struct {
	Roots []Root
	Pins  []Pin
}

// Options configures Compute. The zero value selects all versions that match, and no
// dependencies.
type Options struct {
	Follow          bool // select the dependencies of roots too
	Latest          int  // that many versions of each requirement; 0: all
	Yanked          bool // select yanked versions too
	DefaultFeatures bool // of the roots; otherwise all their features
	Progress        *Progress
}

// Progress counts the work of a computation, for concurrent readers.
type Progress struct {
	Crates   atomic.Int64 // read
	Versions atomic.Int64 // selected
}

// Compute reads from the index what wishes select. Its memory is proportional to the
// selection, not to the index. An error means that the index cannot be read, or that ctx
// ended; wishes that cannot be fulfilled are in the Set.
func Compute(ctx context.Context, ix *index.Index, wishes Wishes, opt Options) (*Set, error) {
	if opt.Progress == nil {
		opt.Progress = new(Progress)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	c := &computation{opt: opt, lookup: ix.NewLookup(ctx), nodes: map[string]*node{}}
	defer c.lookup.Close()
	for i := range wishes.Roots {
		c.addRoot(&wishes.Roots[i])
	}
	for _, pin := range wishes.Pins {
		n := c.node(pin.Name)
		n.pins = append(n.pins, pin)
	}
	if err := c.run(ctx); err != nil {
		return nil, fmt.Errorf("computing what to mirror: %w", err)
	}
	return c.result(), nil
}

// A computation is the state of Compute.
type computation struct {
	opt    Options
	lookup *index.Lookup
	nodes  map[string]*node // by lower-cased name
	due    []*node          // with pending work, each once
	roots  []*demand
}

// node returns the crate of that name and makes it due.
func (c *computation) node(name string) *node {
	key := strings.ToLower(name)
	n := c.nodes[key]
	if n == nil {
		n = &node{name: name, demands: map[string]*demand{}}
		c.nodes[key] = n
	}
	if !n.due {
		n.due = true
		c.due = append(c.due, n)
	}
	return n
}

func (c *computation) addRoot(r *Root) {
	d := &demand{req: r.Req, text: r.Text, where: r.Where}
	switch {
	case !c.opt.Follow:
	case c.opt.DefaultFeatures:
		d.defaults = true
	default:
		d.allFeatures = true
	}
	if d = c.node(r.Name).add(d); !slices.Contains(c.roots, d) { // requested twice
		c.roots = append(c.roots, d)
	}
}

// run works in waves. In each, it reads all crates that are due concurrently; their
// versions' dependencies are due in the next. When none is left, some selected versions may
// turn out to be useless, which makes others due.
func (c *computation) run(ctx context.Context) error {
	for {
		for len(c.due) > 0 {
			if err := c.wave(ctx); err != nil {
				return err
			}
		}
		if !c.settle() {
			return nil
		}
	}
}

func (c *computation) wave(ctx context.Context) error {
	due := c.due
	c.due = nil
	asked := make([][]*edge, len(due))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, n := range due {
		n.due = false
		g.Go(func() (err error) {
			asked[i], err = c.visit(ctx, n)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, edges := range asked {
		for _, e := range edges {
			c.ask(e)
		}
	}
	return nil
}

// ask adds a dependency's demand to its crate, unless an equal one was added before.
func (c *computation) ask(e *edge) {
	d := &demand{
		req: e.req, text: e.text, where: e.of.String(), defaults: e.defaults,
		features: slices.Sorted(maps.Keys(e.features)),
	}
	key := strings.ToLower(e.name)
	if n := c.nodes[key]; n != nil && n.demands[d.key()] != nil {
		e.demand = n.demands[d.key()]
		return
	}
	e.demand = c.node(e.name).add(d)
}
