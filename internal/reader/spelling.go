package reader

import (
	"slices"
	"strings"
)

// Holds reports whether any version of a crate is held, whatever the case of its name.
// Unlike Crate it reads nothing: a page calls it for hundreds of names.
func (v *View) Holds(crate string) bool {
	name, ok := v.names.Load().published(crate)
	return ok && strings.EqualFold(name, crate) // not one with "_" for "-"
}

// published returns the published spelling of a crate's name, given with another case, or
// "-" for "_": on crates.io, no two names differ only in that.
func (n *names) published(crate string) (shown string, ok bool) {
	key := searchKey(crate)
	i, _ := slices.BinarySearchFunc(n.list, key, func(n name, key string) int { return strings.Compare(n.key, key) })
	for ; i < len(n.list) && n.list[i].key == key; i++ {
		if shown, ok = n.list[i].shown, true; strings.EqualFold(shown, crate) {
			break // if both exist nevertheless
		}
	}
	return shown, ok
}
