package pages

import (
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/details"
)

// words are a list that is cut short.
type words struct {
	Words []string
	More  int
}

func newWords(list []string) words {
	list, more := first(list, maxEnabled)
	return words{list, more}
}

// A feature is what one can turn on, and what that turns on in turn.
type feature struct {
	Name    string
	Enabled []enabled
	More    int // that are left out
}

// enabled is a feature, or a dependency with or without one of its features: "std",
// "dep:serde", "serde/std", "serde?/std".
type enabled struct {
	Text  string
	Crate string // the dependency, if it has a page here
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

// featuresOf returns the features of a version. Pages are those that its dependencies
// have, by the names that it has for them.
func featuresOf(d *details.Details, pages map[string]string) ([]feature, int) {
	all := d.AllFeatures()
	names, left := first(details.FeatureNames(all), maxFeatures)
	list := make([]feature, len(names))
	for i, name := range names {
		words, more := first(all[name], maxEnabled)
		list[i] = feature{Name: name, More: more}
		for _, text := range words {
			list[i].Enabled = append(list[i].Enabled, enabled{text, pages[dependency(text, all)]})
		}
	}
	return list, left
}

// dependency is the name of the one that is turned on; empty: it is a feature of the
// crate's own.
func dependency(text string, all map[string][]string) string {
	if name, ok := strings.CutPrefix(text, "dep:"); ok {
		return name
	}
	if name, _, ok := strings.Cut(text, "/"); ok {
		return strings.TrimSuffix(name, "?")
	}
	if _, own := all[text]; own {
		return ""
	}
	return text // an optional dependency is a feature, too
}
