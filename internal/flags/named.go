package flags

import "strings"

// NamedFile reads [NAME=]FILE; name is empty if there is none. What is before a "=" and
// could be of a path is no name.
func NamedFile(arg string) (name, file string) {
	name, file, named := strings.Cut(arg, "=")
	if !named || strings.ContainsAny(name, `/\.`) {
		return "", arg
	}
	return name, file
}
