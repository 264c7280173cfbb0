package policy

import (
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// A Selector selects the versions that meet all its conditions.
type Selector struct {
	// Crate is a name, or a prefix of names with a "*" at its end. Case does not matter,
	// and "_" equals "-", as on crates.io. Empty: every crate.
	Crate string `json:"crate,omitempty"`
	// Version is a single version, with its build metadata. Empty: see Versions.
	Version string `json:"version,omitempty"`
	// Versions is a requirement. Empty: every version.
	Versions string `json:"versions,omitempty"`
	// Checksum is that of the bytes. Nil: any.
	Checksum *crate.Checksum `json:"checksum,omitempty"`

	req semver.Req // of Versions
	// wide includes a pre-release in Versions if its position in the order is within. This
	// is for rules that hide; rules that show accept a pre-release only if cargo would.
	wide bool
}

// String formats the selector as a person would write it.
func (s *Selector) String() string {
	var b strings.Builder
	b.WriteString(s.Crate)
	if s.Version != "" {
		b.WriteString("@" + s.Version)
	}
	if s.Versions != "" {
		b.WriteString(" " + s.Versions)
	}
	if s.Checksum != nil {
		b.WriteString(" sha256:" + s.Checksum.String())
	}
	return strings.TrimSpace(b.String())
}

// takes reports whether s includes a version of a crate that matches Crate.
func (s *Selector) takes(key *crate.Key) bool {
	switch {
	case s.Checksum != nil && *s.Checksum != key.Checksum:
		return false
	case s.Version != "":
		return s.Version == key.Version
	case s.Versions != "":
		v, err := semver.Parse(key.Version)
		switch {
		case err != nil: // for what hides it may be any version, for what shows it is none
			return s.wide
		case s.wide:
			return s.req.Includes(v)
		}
		return s.req.Matches(v)
	}
	return true
}

// selectors find the values for a version by the name of its crate.
type selectors[T any] struct {
	names    map[string][]selected[T] // by folded name
	sums     map[crate.Checksum][]selected[T]
	prefixes []selected[T]
}

type selected[T any] struct {
	*Selector
	prefix string // folded
	value  T
}

func (x *selectors[T]) add(s *Selector, value T) {
	name, prefix := strings.CutSuffix(s.Crate, "*")
	name = fold(name)
	item := selected[T]{s, name, value}
	switch {
	case s.Crate == "" && s.Checksum != nil:
		if x.sums == nil {
			x.sums = map[crate.Checksum][]selected[T]{}
		}
		x.sums[*s.Checksum] = append(x.sums[*s.Checksum], item)
	case prefix || s.Crate == "":
		x.prefixes = append(x.prefixes, item)
	default:
		if x.names == nil {
			x.names = map[string][]selected[T]{}
		}
		x.names[name] = append(x.names[name], item)
	}
}

// next returns the selectors for a version one by one; name is folded. n is 0 first, and
// then the previous result. At the end it returns -1.
func (x *selectors[T]) next(key *crate.Key, name []byte, n int) (value T, after int) {
	for _, part := range [...][]selected[T]{x.names[string(name)], x.sums[key.Checksum], x.prefixes} {
		for i := max(n, 0); i < len(part); i++ {
			s := &part[i]
			if len(name) >= len(s.prefix) && string(name[:len(s.prefix)]) == s.prefix && s.takes(key) {
				return s.value, after + i + 1
			}
		}
		n -= len(part)
		after += len(part)
	}
	return value, -1
}

// fold maps all names that crates.io considers equal to one.
func fold(name string) string {
	return strings.ReplaceAll(strings.ToLower(name), "-", "_")
}

// foldInto is fold without an allocation. It returns the length.
func foldInto(buf *[crate.MaxName]byte, name string) int {
	n := copy(buf[:], name)
	for i, c := range buf[:n] {
		switch {
		case c == '-':
			buf[i] = '_'
		case 'A' <= c && c <= 'Z':
			buf[i] = c + 'a' - 'A'
		}
	}
	return n
}

// len returns the number of selectors.
func (x *selectors[T]) len() (n int) {
	for _, part := range x.names {
		n += len(part)
	}
	for _, part := range x.sums {
		n += len(part)
	}
	return n + len(x.prefixes)
}
