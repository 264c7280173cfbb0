package cli

import (
	"embed"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

//go:embed help/*.txt
var helpTexts embed.FS

var exitCodesHelp = helpText("exit-codes")

// helpText is the text of some of the files of help.
func helpText(names ...string) string { return program.HelpText(helpTexts, names...) }
