package closure

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// What lock files call crates.io, whichever way cargo reads its index.
var cratesIO = []string{"registry+https://github.com/rust-lang/crates.io-index", "sparse+https://index.crates.io/"}

// isRegistry reports whether packages of a source are from a registry; others are
// from a folder, which has no source, or a git repository.
func isRegistry(source string) bool {
	return strings.HasPrefix(source, "registry+") || strings.HasPrefix(source, "sparse+")
}

// isCratesIO reports whether a registry is crates.io, however that is written.
func isCratesIO(registry string) bool { return isOneOf(registry, cratesIO) }

func isOneOf(source string, list []string) bool {
	return slices.ContainsFunc(list, func(other string) bool { return place(other) == place(source) })
}

// place is what a source comes down to: the protocol, the user, a ".git" and a "/"
// at the end make no difference.
func place(source string) string {
	_, address, kind := strings.Cut(source, "+")
	if !kind || strings.Contains(source[:len(source)-len(address)], "/") { // a "+" of the URL itself
		address = source
	}
	u, err := url.Parse(address)
	if err != nil || u.Host == "" {
		return address
	}
	path := strings.TrimRight(u.Path, "/")
	return strings.ToLower(u.Host) + strings.TrimSuffix(path, ".git")
}

// A Source is where packages of a lock file are from that are left out.
type Source struct {
	URL      string // as in the lock file; empty: folders
	Packages int
	Same     int // packages that the index has with the same checksum, after Compare
}

// Registry reports whether it is one, and not a folder or a git repository.
func (s Source) Registry() bool { return isRegistry(s.URL) }

// LeftOut are the sources of packages that are left out, those with the most
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
