package pages

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// facts are the fields of an index line that the table of versions shows. A line
// that is too long, or in which they are not what they should be, has none: the
// mirror serves it byte for byte all the same.
type facts struct {
	Pubtime     string `json:"pubtime"`
	RustVersion string `json:"rust_version"`
}

// Published is when the version was, zero if the line does not say it.
func (f facts) Published() time.Time {
	t, err := time.Parse(time.RFC3339, f.Pubtime)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// details are the fields that the page of a version shows (cargo book, Registry
// Index, "JSON schema").
type details struct {
	facts
	Deps      []dep               `json:"deps"`
	Features  map[string][]string `json:"features"`
	Features2 map[string][]string `json:"features2"`
	Links     string              `json:"links"`
}

type dep struct {
	Name            string   `json:"name"`
	Req             string   `json:"req"`
	Features        []string `json:"features"`
	Optional        bool     `json:"optional"`
	DefaultFeatures *bool    `json:"default_features"`
	Target          string   `json:"target"`
	Kind            string   `json:"kind"`
	Registry        string   `json:"registry"` // not empty: of another registry
	Package         string   `json:"package"`  // its real name, where Name is another one
}

// Crate is the name under which the dependency was published.
func (d dep) Crate() string { return cmp.Or(d.Package, d.Name) }

// NoDefaults reports whether its default features are turned off.
func (d dep) NoDefaults() bool { return d.DefaultFeatures != nil && !*d.DefaultFeatures }

// WithFeatures are those of the dependency that are turned on.
func (d dep) WithFeatures() words { return newWords(d.Features) }

// A feature is what one can turn on, and what that turns on in turn.
type feature struct {
	Name    string
	Enabled words
}

// words are a list that is cut short.
type words struct {
	Words []string
	More  int
}

func newWords(list []string) words {
	list, more := first(list, maxEnabled)
	return words{list, more}
}

func parseFacts(line []byte) facts {
	var f facts
	if len(line) > maxLine || unmarshal(line, &f) != nil {
		return facts{}
	}
	return f
}

// parseDetails reports false if the line cannot be shown.
func parseDetails(line []byte) (details, bool) {
	var d details
	if len(line) > maxLine || unmarshal(line, &d) != nil {
		return details{}, false
	}
	return d, true
}

// unmarshal is as lenient as cargo about keys that are there twice deep inside.
func unmarshal(line []byte, v any) error {
	return json.Unmarshal(line, v, jsontext.AllowDuplicateNames(true))
}

// features returns those of both fields by name, "default" first.
func (d *details) features() []feature {
	all := make(map[string][]string, len(d.Features)+len(d.Features2))
	for _, m := range []map[string][]string{d.Features, d.Features2} {
		for name, enables := range m {
			all[name] = append(all[name], enables...)
		}
	}
	list := make([]feature, 0, len(all))
	for _, name := range slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return cmp.Or(-compareBool(a == "default", b == "default"), cmp.Compare(a, b))
	}) {
		list = append(list, feature{name, newWords(all[name])})
	}
	return list
}

// deps returns those of a kind: what is always needed first, then by name.
func (d *details) deps(kind string) []dep {
	var list []dep
	for _, dep := range d.Deps {
		if cmp.Or(dep.Kind, "normal") == kind {
			list = append(list, dep)
		}
	}
	slices.SortStableFunc(list, func(a, b dep) int {
		return cmp.Or(compareBool(a.Optional, b.Optional), cmp.Compare(a.Name, b.Name))
	})
	return list
}

// compareBool sorts false before true.
func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}
