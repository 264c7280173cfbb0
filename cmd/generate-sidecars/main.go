// Generate-sidecars is "clonecratesio sidecars" under the name that it had in
// v1.1.0, for scripts that call it so.
package main

import (
	"os"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/cli"
)

func main() { os.Exit(cli.Main(cli.GenerateSidecars)) }
