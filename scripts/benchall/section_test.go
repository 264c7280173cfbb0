//go:build linux

package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestWriteSection checks that results of benches that did not run stay, in the order of the
// benches, and that results of unknown benches are dropped.
func TestWriteSection(t *testing.T) {
	titles := benches()
	first, second := titles[0].title, titles[1].title
	path := filepath.Join(t.TempDir(), "measurements.md")
	text := "# Head\n" + begins + "\nold machine\n\n### " + second + "\n\nkept\n\n### Of long ago\n\nx\n\n" + ends + "tail\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time changes nothing
		if err := writeSection(path, "machine\n", map[string][]byte{first: []byte("\n### " + first + "\n\nnew\n")}); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := "# Head\n" + begins + "\nmachine\n\n### " + first + "\n\nnew\n\n### " + second + "\n\nkept\n\n" + ends + "tail\n"
		if string(got) != want {
			t.Errorf("got\n%s\nwant\n%s", got, want)
		}
	}
	if err := os.WriteFile(path, []byte("no section\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := writeSection(path, "", nil); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a document without the section: %v", err)
	}
}
