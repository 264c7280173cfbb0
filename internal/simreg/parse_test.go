package simreg

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	got, err := Parse(`
		# a comment
		foo 1.0.0
		  dep bar ^1 optional no-default features=a,b kind=dev target=cfg(unix) rename=baz
		  dep qux >=1,<3
		  feature std
		  feature json dep:bar bar?/std
		  size 4096
		  links z
		  rust 1.70
		  pubtime 2026-01-31T12:00:00Z

		foo 1.1.0+x yanked
	`)
	if err != nil {
		t.Fatal(err)
	}
	want := []Version{
		{
			Name: "foo", Version: "1.0.0",
			Deps: []Dep{
				{
					Name: "bar", Req: "^1", Optional: true, NoDefaultFeatures: true, Features: []string{"a", "b"},
					Kind: "dev", Target: "cfg(unix)", Rename: "baz",
				},
				{Name: "qux", Req: ">=1,<3"},
			},
			Features: map[string][]string{"std": {}, "json": {"dep:bar", "bar?/std"}},
			Size:     4096, Links: "z", RustVersion: "1.70",
			PubTime: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC),
		},
		{Name: "foo", Version: "1.1.0+x", Yanked: true},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Parse (-want +got):\n%s", diff)
	}
}

func TestParseErrors(t *testing.T) {
	for text, want := range map[string]string{
		"foo":                       `parsing line 1 "foo": want NAME VERSION [yanked] or one of the keywords`,
		"foo 1.0.0 gone":            `parsing line 1 "foo 1.0.0 gone": want NAME VERSION [yanked] or one of the keywords`,
		"foo 1.0":                   `parsing line 1 "foo 1.0": version "1.0" is not a semantic version`,
		"size 12":                   `parsing line 1 "size 12": size stands before the first version`,
		"foo 1.0.0\nsize":           `parsing line 2 "size": size needs a value`,
		"foo 1.0.0\nsize x":         `parsing line 2 "size x": strconv.Atoi: parsing "x": invalid syntax`,
		"foo 1.0.0\n\ndep bar":      `parsing line 3 "dep bar": dep needs a name and a requirement`,
		"foo 1.0.0\ndep bar ^1 fun": `parsing line 2 "dep bar ^1 fun": dep has no option "fun"`,
	} {
		if _, err := Parse(text); err == nil || err.Error() != want {
			t.Errorf("Parse(%q) = %v, want %s", text, err, want)
		}
	}
}
