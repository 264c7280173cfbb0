package details

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const line = `{"name":"foo","vers":"1.0.0","deps":[{"name":"b","req":"^1","features":["x"],"optional":true,"default_features":false,"target":"cfg(unix)","kind":"build","package":"bar"},{"name":"c","req":"*","features":[],"optional":false,"default_features":true,"target":null,"kind":"normal"}],"cksum":"00","features":{"a":["b"],"both":["one"]},"features2":{"both":["dep:b"]},"yanked":false,"links":"z","v":2,"rust_version":"1.60","pubtime":"2025-03-04T05:06:07Z"}`

func TestParse(t *testing.T) {
	d, err := Parse([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	two, no, yes := 2, false, true
	want := Details{
		Facts: Facts{Pubtime: "2025-03-04T05:06:07Z", RustVersion: "1.60"},
		Deps: []Dep{
			{Name: "b", Req: "^1", Features: []string{"x"}, Optional: true, DefaultFeatures: &no, Target: "cfg(unix)", Kind: "build", Package: "bar"},
			{Name: "c", Req: "*", Features: []string{}, DefaultFeatures: &yes, Kind: "normal"},
		},
		Features: map[string][]string{"a": {"b"}, "both": {"one"}}, Features2: map[string][]string{"both": {"dep:b"}},
		Links: "z", V: &two,
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	if d.Deps[0].Crate() != "bar" || d.Deps[1].Crate() != "c" || !d.Deps[0].NoDefaults() || d.Deps[1].NoDefaults() {
		t.Errorf("dependencies: %+v", d.Deps)
	}
	if diff := cmp.Diff(map[string][]string{"a": {"b"}, "both": {"one", "dep:b"}}, d.AllFeatures()); diff != "" {
		t.Errorf("features (-want +got)\n%s", diff)
	}
	f, err := ParseFacts([]byte(line))
	if want := time.Date(2025, 3, 4, 5, 6, 7, 0, time.UTC); err != nil || f != d.Facts || !f.Published().Equal(want) {
		t.Errorf("facts %+v, published %v, %v", f, f.Published(), err)
	}
}

func TestOrder(t *testing.T) {
	d := Details{
		Deps:     []Dep{{Name: "z"}, {Name: "a", Optional: true}, {Name: "b", Kind: "normal"}, {Name: "c", Kind: "dev"}},
		Features: map[string][]string{"b": nil, "default": nil, "a": nil},
	}
	var names []string
	for _, dep := range d.DepsOf("normal") {
		names = append(names, dep.Name)
	}
	if diff := cmp.Diff([]string{"b", "z", "a", "default", "a", "b"}, append(names, FeatureNames(d.Features)...)); diff != "" {
		t.Error(diff)
	}
}

func TestParseHostile(t *testing.T) {
	for name, text := range map[string]string{
		"no JSON": `{`, "deps of another kind": `{"deps":3}`, "a feature of another kind": `{"features":{"a":1}}`,
	} {
		if d, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s: %+v", name, d)
		}
	}
	if d, err := Parse([]byte(`{"deps":[{"name":"a","name":"b"}]}`)); err != nil || d.Deps[0].Name != "b" {
		t.Errorf("a key twice: %+v, %v", d, err)
	}
	if f, err := ParseFacts([]byte(`{"pubtime":"yesterday"}`)); err != nil || !f.Published().IsZero() {
		t.Errorf("%+v, %v", f, err)
	}
}
