// Clonecratesio mirrors crates.io. Run it with "help" for its commands.
package main

import (
	"os"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/cli"
)

func main() { os.Exit(cli.Main(cli.Root)) }
