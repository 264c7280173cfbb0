package closure

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// The names of crates.io in lock files, for both protocols of its index.
var cratesIO = []string{"registry+https://github.com/rust-lang/crates.io-index", "sparse+https://index.crates.io/"}

// isRegistry reports whether a source is a registry; others are folders, which have no
// source, or git repositories.
func isRegistry(source string) bool {
	return strings.HasPrefix(source, "registry+") || strings.HasPrefix(source, "sparse+")
}

// isCratesIO reports whether a registry is crates.io, in any spelling.
func isCratesIO(registry string) bool { return isOneOf(registry, cratesIO) }

func isOneOf(source string, list []string) bool {
	return slices.ContainsFunc(list, func(other string) bool { return place(other) == place(source) })
}

// place returns the normal form of a source: the protocol, the user, a final ".git" and a
// final "/" make no difference.
func place(source string) string {
	_, address, kind := strings.Cut(source, "+")
	if !kind || strings.Contains(source[:len(source)-len(address)], "/") { // a "+" in the URL itself
		address = source
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return address
	}
	path := strings.TrimRight(u.Path, "/")
	return strings.ToLower(u.Host) + strings.TrimSuffix(path, ".git")
}

// A Source is the source of packages in a lock file that are left out.
type Source struct {
	URL      string // as in the lock file; empty: folders
	Packages int
	Same     int // packages that the index has with the same checksum, after Compare
}

// Registry reports whether the source is a registry, and not a folder or a git repository.
func (s Source) Registry() bool { return isRegistry(s.URL) }

// LeftOut returns the sources of packages that are left out, those with the most packages
// first.
func (l *Lock) LeftOut() []Source {
	var list []Source
	for _, source := range l.leftOut {
		list = append(list, *source)
	}
	slices.SortFunc(list, func(a, b Source) int {
		return cmp.Or(cmp.Compare(b.Packages, a.Packages), cmp.Compare(a.URL, b.URL))
	})
	return list
}
