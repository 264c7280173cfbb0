package closure

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// A reader reads a crate's index file at most once per visit, and only if needed. It does
// not keep it.
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
		n.nearby, err = r.c.near(ctx, n.name)
		return err
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
