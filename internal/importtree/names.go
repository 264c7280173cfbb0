package importtree

import (
	"path"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Named returns the version that a path claims to be. The path has one of these forms:
//
//	.../{name}-{version}.crate            panamax, romt, get-all-crates, cargo, cargo-local-registry,
//	                                      v1.1.0, kellnr, ours
//	.../{name}/{version}.crate
//	.../{name}/{version}/download         copies of web servers, other registries
//	.../{name}/{version}/crate
//
// A "+" may be written as "%2B", or as a space (crates.io#4891). A file name can be split in only
// one way, however many "-" it has (crate.ParseFileName).
func Named(file string) (id crate.ID, ok bool) {
	dir, base := path.Split(file)
	base = plus.Replace(base)
	dir = path.Clean(dir)
	if id, err := crate.ParseFileName(base); err == nil {
		return id, true
	}
	switch base {
	case "download", "crate":
		id = crate.ID{Name: path.Base(path.Dir(dir)), Version: plus.Replace(path.Base(dir))}
	default:
		version, found := strings.CutSuffix(base, crate.Ext)
		if !found {
			return crate.ID{}, false
		}
		id = crate.ID{Name: path.Base(dir), Version: version}
	}
	if id.Check() != nil {
		return crate.ID{}, false
	}
	return id, true
}

var plus = strings.NewReplacer("%2B", "+", "%2b", "+", " ", "+")

// skipped reports whether a folder's name says that it is not part of a tree: it belongs to
// git, or to an export or mirror of ours.
func skipped(dir string) bool {
	switch dir {
	case ".git", ".clonecratesio", ".clonecratesio-export":
		return true
	}
	return strings.HasSuffix(dir, ".git")
}

// isArchive reports whether a file whose name has no version is another kind of gzip file,
// such as those of a mirror of Rust itself, which is as large as one of crates.
func isArchive(base string) bool {
	return strings.HasSuffix(base, ".tar.gz") || strings.HasSuffix(base, ".tgz")
}
