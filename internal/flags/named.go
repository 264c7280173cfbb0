package flags

import "strings"

// NamedFile parses [NAME=]FILE. The name is empty if there is none, or if the text before
// "=" contains "/", "\" or "." and so belongs to a path.
func NamedFile(arg string) (name, file string) {
	name, file, named := strings.Cut(arg, "=")
	if !named || strings.ContainsAny(name, `/\.`) {
		return "", arg
	}
	return name, file
}
