package tomlfile

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestEverythingWrongIsTold: all that is wrong is told at once, with its line, though it
// is in tables of three kinds.
func TestEverythingWrongIsTold(t *testing.T) {
	root, err := Parse([]byte("\ufeffname = 7\n[run]\nbundel = true\nparts = [\"a\", 3]\n[[one]]\nquiet = \"yes\"\n[[one]]\nquiet = true\n"))
	if err != nil {
		t.Fatal(err)
	}
	d := new(Decoder)
	if text, line := d.Text(root, "name"); text != "" || line != 1 {
		t.Errorf("name is %q of line %d", text, line)
	}
	run := d.Table(root, "run")
	d.Texts(run, "parts")
	d.Flag(run, "bundle", false)
	d.Rest(run)
	var quiet []bool
	for _, one := range d.Tables(root, "one") {
		quiet = append(quiet, d.Flag(one, "quiet", false))
		d.Rest(one)
	}
	d.Rest(root)
	if diff := cmp.Diff([]bool{false, true}, quiet); diff != "" {
		t.Errorf("quiet (-want +got):\n%s", diff)
	}
	bad, ok := errors.AsType[*Error](d.Err())
	if !ok {
		t.Fatalf("error %v", d.Err())
	}
	want := []Problem{
		{Line: 1, Text: "name: want a string in quotes"},
		{Line: 3, Text: `unknown key "bundel" in [run]: want bundle or parts`},
		{Line: 4, Text: "parts: want strings in quotes"},
		{Line: 6, Text: "quiet: want true or false, without quotes"},
	}
	if diff := cmp.Diff(want, bad.Problems); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
