package internal_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Sizes in lines: what a person takes in at one sitting. A room that grows beyond
// has a second thought in it, which wants a room of its own.
const (
	maxFile = 450
	maxRoom = 2500 // without tests
)

// larger are the rooms that have more, for a reason.
var larger = map[string]int{
	"internal/cli":     3500, // two dozen commands, one way to make each
	"internal/durable": 2650, // the disk, until who owns what is made on it has a room of its own
	"internal/extract": 2650, // bundles and segments, until segments have their own
}

func TestRoomsAreSmall(t *testing.T) {
	rooms := map[string]int{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(file) != ".go" {
			return err
		}
		data, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		lines := bytes.Count(data, []byte("\n"))
		if lines > maxFile {
			t.Errorf("internal/%s has %d lines, at most %d are to be", filepath.ToSlash(file), lines, maxFile)
		}
		if !strings.HasSuffix(file, "_test.go") {
			rooms["internal/"+filepath.ToSlash(filepath.Dir(file))] += lines
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for room, lines := range rooms {
		most := maxRoom
		if larger[room] > 0 {
			most = larger[room]
		}
		if lines > most {
			t.Errorf("%s has %d lines, at most %d are to be: what in it is a thought of its own?", room, lines, most)
		}
	}
	if rooms["internal/cli"] == 0 {
		t.Error("no room was measured")
	}
}
