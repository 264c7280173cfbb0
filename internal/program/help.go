package program

import (
	"io/fs"
	"strings"
)

// HelpText returns the text of a command's help below its usage: the content of the
// embedded files help/NAME.txt, separated by blank lines. It panics if one is missing, so
// that every test fails, because no command can do without.
func HelpText(texts fs.FS, names ...string) string {
	parts := make([]string, len(names))
	for i, name := range names {
		text, err := fs.ReadFile(texts, "help/"+name+".txt")
		if err != nil {
			panic(err)
		}
		parts[i] = strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n"))
	}
	return strings.Join(parts, "\n\n")
}
