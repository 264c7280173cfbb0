// Housemap draws docs/Architecture.svg: the packages on their floors, and which package
// imports which. Run it from the root of the repository when a test says that the picture does
// not match the imports:
//
//	go run ./scripts/housemap
package main

import (
	"log"
	"os"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/scripts/housemap/draw"
)

func main() {
	log.SetFlags(0)
	svg, err := draw.House(".")
	if err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(filepath.FromSlash(draw.File), svg, 0o644); err != nil {
		log.Fatal(err)
	}
}
