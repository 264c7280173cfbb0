package export

import (
	"fmt"
	"path"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
)

// Layout is the arrangement of files in a tree: that of the package comment, or of another
// program.
type Layout uint8

const (
	Static Layout = iota
	// Panamax is the tree of a panamax mirror, which "panamax serve" serves:
	//
	//	crates.io-index/                                         a git work tree
	//	crates/{prefix}/{crate}/{version}/{crate}-{version}.crate
	Panamax
	// LocalRegistry is what cargo reads as [source.x] local-registry = "DIR", and
	// cargo-local-registry makes:
	//
	//	index/{1|2|3/a|ab/cd}/{name}
	//	{crate}-{version}.crate
	LocalRegistry
)

// layoutNames are the names that users write.
var layoutNames = [...]string{Static: "static", Panamax: "panamax", LocalRegistry: "local-registry"}

func (l Layout) String() string { return layoutNames[l] }

// ParseLayout is the inverse of String.
func ParseLayout(text string) (Layout, error) {
	for l, name := range layoutNames {
		if name == text {
			return Layout(l), nil
		}
	}
	return 0, fmt.Errorf("%q is none of static, panamax, local-registry", text)
}

// indexDir returns the folder of the index.
func (l Layout) indexDir() string {
	if l == Panamax {
		return "crates.io-index"
	}
	return IndexDir
}

// gitDir returns the repository of the index, or "" if there is none.
func (l Layout) gitDir() string {
	switch l {
	case Panamax:
		return l.indexDir() + "/.git"
	case LocalRegistry:
		return ""
	}
	return GitDir
}

// files returns the paths of a crate file.
func (l Layout) files(id crate.ID) (paths []string) {
	switch l {
	case Panamax:
		return []string{path.Join(cratesDir, prefix(id.Name), id.Name, id.Version, id.FileName())}
	case LocalRegistry:
		return []string{id.FileName()}
	}
	for _, name := range fileNames(id) {
		paths = append(paths, path.Join(folderOf(id.Name), name))
	}
	return paths
}

// prefix returns the folder of an index path in the case of the name, like cargo's
// {prefix}.
func prefix(name string) string {
	switch len(name) {
	case 1, 2:
		return fmt.Sprint(len(name))
	case 3:
		return "3/" + name[:1]
	}
	return name[:2] + "/" + name[2:4]
}

// config returns config.json, or nil if there is none.
func (l Layout) config(publicURL string) []byte {
	switch l {
	case Panamax:
		base := publicURL + "/" + cratesDir
		return fmt.Appendf(nil, "{\n  \"dl\": %q,\n  \"api\": %q\n}\n", base+"/{prefix}/{crate}/{version}/{crate}-{version}"+crate.Ext, base)
	case LocalRegistry:
		return nil
	}
	return configJSON(publicURL)
}

// CargoConfig returns the configuration with which cargo uses the tree in dir, served at an
// address, instead of crates.io.
func (l Layout) CargoConfig(a Address, dir string) string {
	switch {
	case l == LocalRegistry:
		return fmt.Sprintf("[source.crates-io]\nreplace-with = \"mirror\"\n\n[source.mirror]\nlocal-registry = %q\n", dir)
	case l == Panamax && a.ByFile():
		return publicurl.CargoConfig(string(a) + "/" + l.indexDir())
	case l == Panamax:
		return publicurl.CargoConfig(string(a) + "/git/" + l.indexDir()) // where panamax serve offers it
	}
	return a.CargoConfig()
}
