package reader

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/catalog"
)

// names are the names of all crates held, in the order of their keys. They
// never change; refresh makes new ones.
type names struct {
	list []name
	mark catalog.NamesMark
}

// name is the name of a crate.
type name struct {
	key   string // what is compared
	shown string // as published
}

// searchKey is the spelling under which crates.io keeps names apart: case does
// not count, and "-" and "_" are alike.
func searchKey(name string) string { return strings.ReplaceAll(strings.ToLower(name), "_", "-") }

// refresh returns the names as the catalog has them now.
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

// merge joins two sorted lists.
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

// search returns some of the names that have key in them, from offset on, the
// best first: the name itself, those that begin with it, the others; each in
// alphabetical order. Total is how many there are in all.
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

// withPrefix returns where the names are that begin with key.
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

// Search returns a page of the names of crates held that have query in them, and how many
// there are in all. First comes the name itself, then those that begin with it, then the
// others. Case does not count, and "-" and "_" are alike. It costs some milliseconds for
// 200,000 names, and only the memory of the page.
func (v *View) Search(query string, offset, limit int) (found []string, total int) {
	return v.names.Load().search(searchKey(strings.TrimSpace(query)), max(offset, 0), limit)
}

// Names returns the names of all crates held that can be shown, in no order: of
// a catalog that is there, though what Crate says of each decides. Errors:
// those of the catalog.
func (v *View) Names(ctx context.Context) (all []string, err error) {
	err = v.catalog.Read(ctx, func(c *catalog.Catalog) (err error) {
		all, _, _, err = c.Names(ctx, catalog.NamesMark{})
		return err
	})
	return all, ignoreAbsent(err)
}
