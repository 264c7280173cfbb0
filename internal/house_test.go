package internal_test

import (
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/scripts/housemap/draw"
)

// The picture of the house is what the imports say.
func TestArchitecturePicture(t *testing.T) {
	want, err := draw.House("..")
	if err != nil {
		t.Fatal(err)
	}
	if read(t, "../"+draw.File) != string(want) {
		t.Errorf("%s is not what the imports say: run go run ./scripts/housemap", draw.File)
	}
}

// Every room is on the list of rooms, once, with what it is for.
func TestArchitectureNamesEveryRoom(t *testing.T) {
	text := read(t, "../docs/Architecture.md")
	for _, rooms := range floors {
		for _, room := range rooms {
			if n := strings.Count(text, room+" "); room != "cmd" && n != 1 {
				t.Errorf("docs/Architecture.md lists %s %d times, want once with a word on what it is for", room, n)
			}
		}
	}
}
