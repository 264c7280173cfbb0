package view

import (
	"slices"
	"strings"
)

// Holds reports whether any version of a crate is held, whatever the case of its
// name. Unlike Crate it reads nothing: a page asks it about hundreds of names.
func (v *View) Holds(crate string) bool { return v.names.Load().hold(crate) }

func (n *names) hold(crate string) bool {
	key := searchKey(crate)
	i, _ := slices.BinarySearchFunc(n.list, key, func(n name, key string) int { return strings.Compare(n.key, key) })
	for ; i < len(n.list) && n.list[i].key == key; i++ {
		if strings.EqualFold(n.list[i].shown, crate) { // not one that has "_" for "-"
			return true
		}
	}
	return false
}
