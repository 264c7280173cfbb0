package program

import (
	"io/fs"
	"strings"
)

// HelpText is what a command says of itself below its usage: the text of some of the
// files help/NAME.txt that are embedded with it, a blank line between them. No command
// can be made without, so it panics if one is not there, and every test fails.
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
