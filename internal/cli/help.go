package cli

import (
	"embed"
	"strings"
)

// helpTexts are what commands say of themselves below their usage, a file each.
//
//go:embed help/*.txt
var helpTexts embed.FS

var exitCodesHelp = helpText("exit-codes")

// helpText is the text of some of these files, a blank line between them.
func helpText(names ...string) string {
	parts := make([]string, len(names))
	for i, name := range names {
		text, err := helpTexts.ReadFile("help/" + name + ".txt")
		if err != nil {
			panic(err) // no command can be made without it, so every test fails
		}
		parts[i] = strings.TrimSpace(strings.ReplaceAll(string(text), "\r\n", "\n"))
	}
	return strings.Join(parts, "\n\n")
}
