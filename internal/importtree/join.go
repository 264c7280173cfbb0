package importtree

import (
	"context"
	"errors"
	"io"
	"iter"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plan"
)

// joined is the part of a crate that the trees have: versions that the index names, and where
// each is besides its URL.
type joined struct {
	Path   string
	Items  []plan.Item
	Others [][]place // one for each of Items
}

const joinedName = scratch + "found"

// maxCopied is the number of versions whose further copies are remembered, in some 30 MB.
const maxCopied = 100_000

// join compares the finds with the index and writes what both have.
func (im *Import) join(ctx context.Context, found sorter) (err error) {
	out, err := createGob(im.cfg.Scratch, joinedName)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.close()) }()
	ahead, stopAhead := iter.Pull2(found.groups()) // only for what is asked for: the index is read ahead
	defer stopAhead()
	groups, stop := iter.Pull2(found.groups())
	defer stop()
	asked, now := &groupCursor{next: ahead}, &groupCursor{next: groups}
	want := func(f index.File) bool { return asked.at(f.Path, nil) != nil }
	for c, err := range im.cfg.Index.Crates(ctx, want) {
		if err != nil {
			return err
		}
		g := now.at(c.Path, im.unnamed)
		if g == nil || now.err != nil { // unreadable crates come without being asked for
			continue
		}
		if err := out.Encode(im.match(c, g)); err != nil {
			return err
		}
	}
	now.rest(im.unnamed)
	return errors.Join(asked.err, now.err)
}

// groupCursor walks over groups by the paths of an index; both are sorted.
type groupCursor struct {
	next func() (*group, error, bool)
	g    *group // the last one read; nil: none is left, or none was read yet
	done bool
	err  error
}

// at returns the group of a path, or nil. It passes the groups before it to pass.
func (c *groupCursor) at(path string, pass func(*group)) *group {
	for !c.done && (c.g == nil || c.g.path < path) {
		if c.g != nil && pass != nil {
			pass(c.g)
		}
		c.advance()
	}
	if c.g == nil || c.g.path != path {
		return nil
	}
	g := c.g
	if pass != nil { // it is used up
		c.g = nil
	}
	return g
}

func (c *groupCursor) advance() {
	g, err, ok := c.next()
	c.g, c.err, c.done = g, err, !ok || err != nil
	if c.done {
		c.g = nil
	}
}

// rest passes on the remaining groups.
func (c *groupCursor) rest(pass func(*group)) {
	for c.g != nil || !c.done {
		if c.g != nil {
			pass(c.g)
		}
		c.advance()
	}
}

// unnamed reports a crate that the index does not have.
func (im *Import) unnamed(g *group) {
	for i := range g.finds {
		im.cfg.Progress.notNamed(im.path(g.finds[i].At), im.cfg.Log)
	}
	im.cfg.Progress.unnamed.Add(int64(g.more))
}

// match returns the versions of a crate that were found.
func (im *Import) match(c *index.Crate, g *group) *joined {
	at := make(map[string]*index.Entry, len(c.Entries))
	for i := range c.Entries {
		at[c.Entries[i].Version] = &c.Entries[i]
	}
	j := &joined{Path: c.Path}
	for i := range g.finds {
		f := &g.finds[i]
		e := at[f.Version]
		last := len(j.Items) - 1
		switch {
		case e == nil:
			im.cfg.Progress.notNamed(im.path(f.At), im.cfg.Log)
		case last >= 0 && j.Items[last].Version == f.Version:
			im.cfg.Progress.copies.Add(1)
			if len(j.Others[last]) < maxOthers {
				j.Others[last] = append(j.Others[last], f.At)
			}
		default:
			j.Items = append(j.Items, plan.Item{ID: e.ID, Checksum: e.Checksum, Yanked: e.Yanked, URL: im.cfg.Trees[f.At.Tree].url(f.At.File)})
			j.Others = append(j.Others, nil)
		}
	}
	im.cfg.Progress.unnamed.Add(int64(g.more))
	im.cfg.Progress.versions.Add(int64(len(j.Items)))
	return j
}

// maxOthers bounds the further copies of a version that are tried.
const maxOthers = 8

// Source returns the versions that the trees have, for a run of package mirror. It says
// nothing about other versions.
func (im *Import) Source() plan.Source {
	return source{plan.FromIndex(im.cfg.Index, nil).(plan.Index), im}
}

// source answers questions about the index's past, as any other source does.
type source struct {
	plan.Index
	im *Import
}

// Revision implements plan.Source.
func (s source) Revision() (catalog.Revision, plan.Scope) {
	rev, _ := s.Index.Revision()
	return rev, plan.Some
}

// Groups implements plan.Source.
func (s source) Groups(ctx context.Context, want plan.Want, yield func(*plan.Group) error) error {
	in, err := openGob(s.im.cfg.Scratch, joinedName)
	if err != nil {
		return err
	}
	defer in.close()
	for {
		var j joined
		err := in.Decode(&j)
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if read, _ := want(j.Path, ""); len(j.Items) == 0 || !read {
			continue
		}
		s.im.remember(&j)
		if err := yield(&plan.Group{Path: j.Path, Entries: j.Items, Chosen: all(len(j.Items))}); err != nil {
			return err
		}
	}
}

func all(n int) []bool {
	chosen := make([]bool, n)
	for i := range chosen {
		chosen[i] = true
	}
	return chosen
}

// remember stores where the further copies of versions are.
func (im *Import) remember(j *joined) {
	im.mu.Lock()
	defer im.mu.Unlock()
	for i, others := range j.Others {
		if len(others) > 0 && len(im.others) < maxCopied {
			im.others[j.Items[i].ID] = others
		}
	}
}

// copiesOf returns the places of further copies of a version.
func (im *Import) copiesOf(id crate.ID) []place {
	im.mu.Lock()
	defer im.mu.Unlock()
	return im.others[id]
}
