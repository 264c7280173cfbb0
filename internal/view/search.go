package view

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

// search returns the names that have query in them, the best first: the name
// itself, those that begin with it, the others; each in alphabetical order.
func (n *names) search(query string) (found []string) {
	key := searchKey(query)
	var exact, prefix, inside []string
	for _, name := range n.list {
		switch {
		case !strings.Contains(name.key, key):
		case name.key == key:
			exact = append(exact, name.shown)
		case strings.HasPrefix(name.key, key):
			prefix = append(prefix, name.shown)
		default:
			inside = append(inside, name.shown)
		}
	}
	return slices.Concat(exact, prefix, inside)
}

// Search returns a page of the names of crates held that have query in them, and
// how many there are in all. First comes the name itself, then those that begin
// with it, then the others. Case does not count, and "-" and "_" are alike. It
// costs some milliseconds for 200,000 names.
func (v *View) Search(query string, offset, limit int) (found []string, total int) {
	all := v.names.Load().search(strings.TrimSpace(query))
	from := min(max(offset, 0), len(all))
	to := from + min(max(limit, 0), len(all)-from)
	return slices.Clone(all[from:to]), len(all)
}
