package durable_test

import (
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

func TestFolder(t *testing.T) {
	durabletest.TestFS(t, func(t *testing.T) durable.FS {
		fsys, err := durable.Create(t.TempDir() + "/parent/mirror")
		if err != nil {
			t.Fatal(err)
		}
		return fsys
	})
}
