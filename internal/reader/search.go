package reader

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
)

// names are the names of all held crates, ordered by key. They never change; refresh makes
// new ones.
type names struct {
	list []name
	mark catalog.NamesMark
}

// name is the name of a crate.
type name struct {
	key   string // for comparison
	shown string // as published
}

// searchKey returns the form of a name that is unique on crates.io: lower case, and "-" for
// "_".
func searchKey(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

// refresh returns the names that are now in the catalog.
func (n *names) refresh(ctx context.Context, c *catalog.Catalog) (*names, error) {
	added, mark, all, err := c.Names(ctx, n.mark)
	if err != nil {
		return nil, err
	}
	if !all && len(added) == 0 {
		return n, nil
	}
	fresh := make([]name, len(added))
	for i, shown := range added {
		fresh[i] = name{searchKey(shown), shown}
	}
	slices.SortFunc(fresh, byKey)
	if !all {
		fresh = merge(n.list, fresh)
	}
	return &names{fresh, mark}, nil
}

func byKey(a, b name) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.shown, b.shown)) }

// merge merges two sorted lists.
func merge(a, b []name) []name {
	both := make([]name, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		if byKey(b[0], a[0]) < 0 {
			a, b = b, a
		}
		both, a = append(both, a[0]), a[1:]
	}
	return append(append(both, a...), b...)
}

// search returns a page of the names that contain key, beginning at offset, the best first:
// the name itself, names that begin with it, the others; each group in alphabetical order.
// total is the number of all.
func (n *names) search(key string, offset, limit int) (found []string, total int) {
	add := func(list []name) {
		for i := range list {
			if !strings.Contains(list[i].key, key) {
				continue
			}
			if total++; total > offset && len(found) < limit {
				found = append(found, list[i].shown)
			}
		}
	}
	from, to := n.withPrefix(key)
	add(n.list[from:to]) // the name itself is the first of them
	add(n.list[:from])
	add(n.list[to:])
	return found, total
}

// withPrefix returns the range of names that begin with key.
func (n *names) withPrefix(key string) (from, to int) {
	from, _ = slices.BinarySearchFunc(n.list, key, func(n name, key string) int { return strings.Compare(n.key, key) })
	to, _ = slices.BinarySearchFunc(n.list[from:], key, func(n name, key string) int {
		if strings.HasPrefix(n.key, key) {
			return -1
		}
		return 1
	})
	return from, from + to
}

// Search returns a page of the names of held crates that contain query, and the total
// number: first the name itself, then names that begin with it, then the others. Case does
// not matter, and "-" and "_" are equal. It costs some milliseconds for 200,000 names, and
// only the memory of the page.
func (v *View) Search(query string, offset, limit int) (found []string, total int) {
	return v.names.Load().search(searchKey(strings.TrimSpace(query)), max(offset, 0), limit)
}

// Names returns the names of all held crates that may be visible, in no order. It requires
// a catalog; Crate decides what is visible of each. Errors: those of the catalog.
func (v *View) Names(ctx context.Context) (all []string, err error) {
	err = v.catalog.Read(ctx, func(c *catalog.Catalog) (err error) {
		all, _, _, err = c.Names(ctx, catalog.NamesMark{})
		return err
	})
	return all, ignoreAbsent(err)
}
