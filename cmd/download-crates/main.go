// Download-crates is "clonecratesio download" under its name of v1.1.0, for scripts that call
// it by that name.
package main

import (
	"os"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/cli"
)

func main() { os.Exit(cli.Main(cli.DownloadCrates)) }
