package cli

import (
	"embed"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

//go:embed help/*.txt
var helpTexts embed.FS

var exitCodesHelp = helpText("exit-codes")

// helpText returns the joined texts of files in the folder help; names lack their ".txt".
func helpText(names ...string) string { return program.HelpText(helpTexts, names...) }
