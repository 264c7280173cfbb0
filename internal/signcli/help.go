package signcli

import (
	"embed"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
)

//go:embed help/*.txt
var texts embed.FS

// help is what a command says of itself below its usage.
func help(name string) string { return program.HelpText(texts, name) }
