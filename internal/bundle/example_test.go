package bundle_test

import (
	"fmt"
	"io"
	"log"
	"os"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Example writes a bundle, and reads one crate without the others.
func Example() {
	dir, err := os.MkdirTemp("", "bundles")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	fsys, err := durable.Open(dir)
	if err != nil {
		log.Fatal(err)
	}
	defer fsys.Close()

	const name = "bundle-0001.tar.zst"
	w, err := bundle.Create(fsys, name)
	if err != nil {
		log.Fatal(err)
	}
	var serde bundle.Placement
	for _, id := range []crate.ID{{Name: "rand", Version: "0.9.0"}, {Name: "serde", Version: "1.0.0"}} {
		frame, err := bundle.Encode(nil, id, []byte("the .crate of "+id.String()))
		if err != nil {
			log.Fatal(err)
		}
		if serde, err = w.Append(frame); err != nil {
			log.Fatal(err)
		}
	}
	if _, err := w.Finish(); err != nil { // now it is durable
		log.Fatal(err)
	}
	if err := w.Publish(); err != nil { // now it has its name
		log.Fatal(err)
	}
	if err := w.Close(); err != nil {
		log.Fatal(err)
	}

	file, err := fsys.Open(name)
	if err != nil {
		log.Fatal(err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		log.Fatal(err)
	}
	r, err := bundle.Open(file, info.Size())
	if err != nil {
		log.Fatal(err)
	}
	content, err := r.OpenMember(serde)
	if err != nil {
		log.Fatal(err)
	}
	defer content.Close()
	data, err := io.ReadAll(content)
	fmt.Printf("%s: %s, %v\n", content.ID(), data, err)
	for m, err := range r.Members() {
		fmt.Println(m.ID, m.Size, err)
	}
	// Output:
	// serde 1.0.0: the .crate of serde 1.0.0, <nil>
	// rand 0.9.0 24 <nil>
	// serde 1.0.0 25 <nil>
}
