package pages

import (
	"cmp"
	"maps"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/details"
)

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

// parseFacts reads the fields that the table of versions shows. A line that is too
// long, or in which they are not what they should be, has none.
func parseFacts(line []byte) details.Facts {
	if len(line) > maxLine {
		return details.Facts{}
	}
	f, err := details.ParseFacts(line)
	if err != nil {
		return details.Facts{}
	}
	return f
}

// parseDetails reports false if the line cannot be shown.
func parseDetails(line []byte) (details.Details, bool) {
	if len(line) > maxLine {
		return details.Details{}, false
	}
	d, err := details.Parse(line)
	return d, err == nil
}

// featuresOf returns the features of a version, "default" first.
func featuresOf(d *details.Details) []feature {
	all := d.AllFeatures()
	list := make([]feature, 0, len(all))
	for _, name := range slices.SortedFunc(maps.Keys(all), func(a, b string) int {
		return cmp.Or(-compareBool(a == "default", b == "default"), cmp.Compare(a, b))
	}) {
		list = append(list, feature{name, newWords(all[name])})
	}
	return list
}

// depsOf returns the dependencies of a kind: what is always needed first, then by name.
func depsOf(d *details.Details, kind string) []details.Dep {
	var list []details.Dep
	for _, dep := range d.Deps {
		if cmp.Or(dep.Kind, "normal") == kind {
			list = append(list, dep)
		}
	}
	slices.SortStableFunc(list, func(a, b details.Dep) int {
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
