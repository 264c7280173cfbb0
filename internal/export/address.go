package export

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
)

// An Address is where cargo finds a tree: http, https, or file.
type Address string

// ParseAddress checks the address of a tree, and takes slashes at its end away.
func ParseAddress(s string) (Address, error) {
	if !strings.HasPrefix(s, "file:") {
		u, err := publicurl.Parse(s)
		return Address(u.String()), err
	}
	s = strings.TrimRight(s, "/")
	u, err := url.Parse(s)
	if err != nil {
		return "", err
	}
	if u.Host != "" || !strings.HasPrefix(u.Path, "/") || u.RawQuery != "" || u.Fragment != "" {
		return "", fmt.Errorf("%q has no absolute path: want file:///some/folder", s)
	}
	return Address(s), nil
}

// AddressOf is the file: URL of a folder, whose path is absolute.
func AddressOf(dir string) string {
	dir = filepath.ToSlash(dir)
	if !strings.HasPrefix(dir, "/") { // C:/mirror
		dir = "/" + dir
	}
	return (&url.URL{Scheme: "file", Path: dir}).String()
}

// ByFile reports whether cargo will read the tree from a disk, and so its index as
// a git repository.
func (a Address) ByFile() bool { return strings.HasPrefix(string(a), "file:") }

// CargoConfig is what cargo needs to take the tree for crates.io.
func (a Address) CargoConfig() string {
	if a.ByFile() {
		return publicurl.CargoConfig(string(a) + "/" + GitDir)
	}
	return publicurl.CargoConfig(publicurl.Index(string(a)))
}
