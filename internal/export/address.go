package export

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
)

// An Address is the URL at which cargo finds a tree: http, https, or file.
type Address string

// ParseAddress parses the address of a tree, and removes slashes at its end.
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

// AddressOf returns the file: URL of a folder, whose path is absolute.
func AddressOf(dir string) string {
	dir = filepath.ToSlash(dir)
	if !strings.HasPrefix(dir, "/") { // C:/mirror
		dir = "/" + dir
	}
	return (&url.URL{Scheme: "file", Path: dir}).String()
}

// ByFile reports whether cargo will read the tree from disk, and so its index as a git
// repository.
func (a Address) ByFile() bool { return strings.HasPrefix(string(a), "file:") }

// CargoConfig returns the configuration with which cargo uses the tree instead of
// crates.io.
func (a Address) CargoConfig() string {
	if a.ByFile() {
		return publicurl.CargoConfig(string(a) + "/" + GitDir)
	}
	return publicurl.CargoConfig(publicurl.Index(string(a)))
}
