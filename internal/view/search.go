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

// hits are names that were found, of which as many are kept as are asked for.
type hits struct {
	first []string
	total int
}

func (h *hits) add(shown string, most int) {
	h.total++
	if len(h.first) < most {
		h.first = append(h.first, shown)
	}
}

// search returns the first names that have key in them, at most that many, the
// best first: the name itself, those that begin with it, the others; each in
// alphabetical order. Total is how many there are in all.
func (n *names) search(key string, most int) (first []string, total int) {
	var exact, prefix, inside hits
	for i := range n.list {
		switch name := &n.list[i]; {
		case !strings.Contains(name.key, key):
		case name.key == key:
			exact.add(name.shown, most)
		case strings.HasPrefix(name.key, key):
			prefix.add(name.shown, most)
		default:
			inside.add(name.shown, most)
		}
	}
	first = slices.Concat(exact.first, prefix.first, inside.first)
	return first[:min(most, len(first))], exact.total + prefix.total + inside.total
}

// Search returns a page of the names of crates held that have query in them, and
// how many there are in all. First comes the name itself, then those that begin
// with it, then the others. Case does not count, and "-" and "_" are alike. It
// costs some milliseconds for 200,000 names.
func (v *View) Search(query string, offset, limit int) (found []string, total int) {
	n := v.names.Load()
	offset = min(max(offset, 0), len(n.list))
	limit = min(max(limit, 0), len(n.list))
	found, total = n.search(searchKey(strings.TrimSpace(query)), offset+limit)
	return found[min(offset, len(found)):], total
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
