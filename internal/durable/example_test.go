package durable_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// openExample opens a folder for the example.
func openExample() (fsys durable.FS, remove func()) {
	dir, err := os.MkdirTemp("", "durable")
	if err != nil {
		log.Fatal(err)
	}
	if fsys, err = durable.Open(dir); err != nil {
		log.Fatal(err)
	}
	return fsys, func() { fsys.Close(); os.RemoveAll(dir) }
}

// One file, old or new at any instant, even after a power cut.
func ExampleWriteFile() {
	fsys, remove := openExample()
	defer remove()
	for _, content := range []string{"old", "new"} {
		if err := durable.WriteFile(fsys, "state", []byte(content)); err != nil {
			log.Fatal(err)
		}
	}
	got, err := durable.ReadFile(fsys, "state", 1<<10)
	fmt.Println(string(got), err)
	// Output: new <nil>
}

// Many files, for two syncs of the disk in all.
func ExampleBatch() {
	fsys, remove := openExample()
	defer remove()
	if err := fsys.MkdirAll("crates"); err != nil {
		log.Fatal(err)
	}
	batch := durable.NewBatch(fsys, "tmp", durable.Together)
	if err := batch.Clear(); err != nil { // remove what a killed run has left
		log.Fatal(err)
	}
	var files []*durable.Staged
	for _, name := range []string{"crates/a", "crates/b"} {
		f, err := batch.Stage(name, strings.NewReader("content of "+name))
		if err != nil {
			log.Fatal(err)
		}
		files = append(files, f)
	}
	// The names become visible only now. Publish never replaces a file.
	if err := batch.Commit(context.Background(), files, fsys.Publish); err != nil {
		log.Fatal(err)
	}
	for _, f := range files {
		if f.Err != nil {
			fmt.Println(f.Err) // another file has the name
		}
	}
	got, err := durable.ReadFile(fsys, "crates/b", 1<<10)
	fmt.Println(string(got), err)
	// Output: content of crates/b <nil>
}
