package signcli

import (
	"embed"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

//go:embed help/*.txt
var texts embed.FS

// help returns the text of a command's help below its usage.
func help(name string) string { return program.HelpText(texts, name) }
