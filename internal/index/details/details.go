// Package details parses the fields of an index line that package index skips:
// dependencies, features and the time of publication (cargo book, Registry Index, "JSON
// schema"). The caller decides what to do with an invalid line; a mirror stores and serves
// it byte for byte all the same.
package details

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// Facts are the short fields.
type Facts struct {
	Pubtime     string `json:"pubtime"` // RFC 3339
	RustVersion string `json:"rust_version"`
}

// Published returns the time of publication, or zero if the line does not have it.
func (f Facts) Published() time.Time {
	t, err := time.Parse(time.RFC3339, f.Pubtime)
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// Details are the fields of a line.
type Details struct {
	Facts
	Deps      []Dep               `json:"deps"`
	Features  map[string][]string `json:"features"`
	Features2 map[string][]string `json:"features2"` // those with newer syntax
	Links     string              `json:"links"`
	V         *int                `json:"v"` // format of the line; nil: 1
}

// Dep is a dependency.
type Dep struct {
	Name            string   `json:"name"` // in the crate that depends on it
	Req             string   `json:"req"`
	Features        []string `json:"features"` // that are turned on
	Optional        bool     `json:"optional"`
	DefaultFeatures *bool    `json:"default_features"` // nil: true
	Target          string   `json:"target"`
	Kind            string   `json:"kind"`     // normal, build, dev; empty: normal
	Registry        string   `json:"registry"` // empty: the one of the index
	Package         string   `json:"package"`  // its real name; empty: Name
}

// Crate returns the name under which the dependency was published.
func (d Dep) Crate() string { return cmp.Or(d.Package, d.Name) }

// NoDefaults reports whether its default features are turned off.
func (d Dep) NoDefaults() bool { return d.DefaultFeatures != nil && !*d.DefaultFeatures }

// AllFeatures returns the features of both fields.
func (d *Details) AllFeatures() map[string][]string {
	all := make(map[string][]string, len(d.Features)+len(d.Features2))
	for _, m := range []map[string][]string{d.Features, d.Features2} {
		for name, enables := range m {
			all[name] = append(all[name], enables...)
		}
	}
	return all
}

// FeatureNames returns the names of all features, "default" first, then by name.
func FeatureNames(all map[string][]string) []string {
	names := slices.Sorted(maps.Keys(all))
	if i, found := slices.BinarySearch(names, "default"); found {
		copy(names[1:], names[:i])
		names[0] = "default"
	}
	return names
}

// DepsOf returns the dependencies of a kind: the required ones first, then by name.
func (d *Details) DepsOf(kind string) []Dep {
	var list []Dep
	for _, dep := range d.Deps {
		if cmp.Or(dep.Kind, "normal") == kind {
			list = append(list, dep)
		}
	}
	slices.SortStableFunc(list, func(a, b Dep) int {
		switch {
		case a.Optional == b.Optional:
			return cmp.Compare(a.Name, b.Name)
		case a.Optional:
			return 1
		}
		return -1
	})
	return list
}

// Parse parses a line. Like cargo, it accepts duplicate keys.
func Parse(line []byte) (d Details, err error) { return d, unmarshal(line, &d) }

// ParseFacts parses only the short fields of a line.
func ParseFacts(line []byte) (f Facts, err error) { return f, unmarshal(line, &f) }

func unmarshal(line []byte, v any) error {
	return json.Unmarshal(line, v, jsontext.AllowDuplicateNames(true))
}
