package index_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// All versions of an index that are not yanked. A bad line costs that version, an
// unreadable file that crate.
func Example() {
	dir, err := os.MkdirTemp("", "index")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	const sum = "0000000000000000000000000000000000000000000000000000000000000000"
	writeIndexFile(dir, "se/rd/serde",
		`{"name":"serde","vers":"1.0.0","deps":[],"cksum":"`+sum+`","features":{},"yanked":true}`+"\n"+
			`{"name":"serde","vers":"1.0.1","deps":[],"cksum":"`+sum+`","features":{},"yanked":false}`+"\n"+
			`{"name":"serde","vers":"../../etc","deps":[],"cksum":"`+sum+`","features":{},"yanked":false}`+"\n")

	ctx := context.Background()
	x, err := index.Open(ctx, dir, index.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer x.Close()
	for c, err := range x.Crates(ctx, nil) {
		if err != nil {
			log.Fatal(err) // the rest of the index is unknown
		}
		if c.Err != nil {
			fmt.Println(c.Path, c.Err)
		}
		for _, e := range c.Entries {
			if !e.Yanked {
				fmt.Println(e.ID)
			}
		}
		for _, bad := range c.Bad {
			fmt.Println(bad)
		}
	}
	// Output:
	// serde 1.0.1
	// se/rd/serde:3: version "../../etc" is not a semantic version
}

// One crate of many, whatever the case of its name.
func ExampleIndex_NewLookup() {
	dir, err := os.MkdirTemp("", "index")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	writeIndexFile(dir, "3/f/foo", `{"name":"Foo","vers":"0.1.0","deps":[],"cksum":"`+
		"0000000000000000000000000000000000000000000000000000000000000000"+`","features":{},"yanked":false}`)

	ctx := context.Background()
	x, err := index.Open(ctx, dir, index.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer x.Close()
	lookup := x.NewLookup(ctx)
	defer lookup.Close()
	c, err := lookup.Crate(ctx, "FOO")
	if err != nil {
		log.Fatal(err) // fs.ErrNotExist: there is no such crate
	}
	fmt.Println(c.Entries[0].ID)
	// Output: Foo 0.1.0
}

func writeIndexFile(dir, path, content string) {
	file := filepath.Join(dir, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		log.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
		log.Fatal(err)
	}
}
