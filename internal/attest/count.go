package attest

import (
	"context"
	"fmt"
	"iter"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// count compares the mirror with the index.
type count struct {
	cfg         *Config
	held, named int64
	missing     []crate.ID // the first maxMissing of them
	leaves      *leaves    // not in the log yet

	next func() (catalog.Tally, error, bool) // reads the catalog in step with the index
	cur  catalog.Tally
	err  error // from next, since want cannot return an error
}

// count reads the index and the catalog in step, in the order of paths. It reads only those
// index files that have something new or missing.
func (cfg *Config) count(ctx context.Context) (_ *count, err error) {
	c := &count{cfg: cfg}
	if c.leaves, err = newLeaves(cfg.Folder); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			c.leaves.close()
		}
	}()
	next, stop := iter.Pull2(cfg.Catalog.Tallies(ctx))
	defer stop()
	c.next = next
	for cr, err := range cfg.Index.Crates(ctx, c.want) {
		if err == nil {
			err = c.crate(ctx, cr)
		}
		if err != nil {
			return nil, fmt.Errorf("comparing the mirror with the index: %w", err)
		}
	}
	if c.err != nil {
		return nil, c.err
	}
	return c, nil
}

// want reports whether an index file must be read: not if the mirror holds and the log has
// everything that it names.
func (c *count) want(f index.File) bool {
	for ok := true; ok && c.err == nil && c.cur.Path < f.Path; {
		if c.cur, c.err, ok = c.next(); !ok {
			c.cur.Path = "\xff" // sorts after every path
		}
	}
	if c.err != nil {
		return false
	}
	t := &c.cur
	unchanged := t.Path == f.Path && t.Blob != "" && t.Blob == f.Blob.String() && t.Yanked
	if !unchanged || t.Good < t.Listed || t.New > 0 {
		return true
	}
	c.named += t.Listed
	c.held += t.Good
	return false
}

// crate compares a crate whose index file was read.
func (c *count) crate(ctx context.Context, cr *index.Crate) error {
	if cr.Err != nil {
		return fmt.Errorf("%s cannot be read, so it is not known which versions it names: %w", cr.Path, cr.Err)
	}
	rows, err := c.cfg.Catalog.Versions(ctx, path.Base(cr.Path))
	if err != nil {
		return err
	}
	held := make(map[crate.Key]*catalog.Version, len(rows))
	for i := range rows {
		if rows[i].Good() {
			held[rows[i].Key()] = &rows[i]
		}
	}
	for _, bad := range cr.Bad {
		c.miss(bad.ID)
	}
	for i := range cr.Entries {
		key := crate.Key{ID: cr.Entries[i].ID, Checksum: cr.Entries[i].Checksum}
		v := held[key]
		if v == nil {
			c.miss(key.ID)
			continue
		}
		c.named++
		c.held++
		if v.Leaf != 0 {
			continue
		}
		if err := c.leaves.add(key); err != nil {
			return err
		}
	}
	return nil
}

func (c *count) miss(id crate.ID) {
	c.named++
	if len(c.missing) < maxMissing {
		c.missing = append(c.missing, id)
	}
}
