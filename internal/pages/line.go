package pages

import (
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/details"
)

// words is a list that may be cut.
type words struct {
	Words []string
	More  int
}

func newWords(list []string) words {
	list, more := first(list, maxEnabled)
	return words{list, more}
}

// A feature is a feature of a crate, and what it enables.
type feature struct {
	Name    string
	Enabled []enabled
	More    int // number left out
}

// enabled is a feature, or a dependency with or without one of its features: "std",
// "dep:serde", "serde/std", "serde?/std".
type enabled struct {
	Text  string
	Crate string // the dependency, if it has a page here
}

// parseFacts parses the fields for the table of versions. If the line is too long or
// invalid, they are empty.
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

// parseDetails returns false if the line cannot be shown.
func parseDetails(line []byte) (details.Details, bool) {
	if len(line) > maxLine {
		return details.Details{}, false
	}
	d, err := details.Parse(line)
	return d, err == nil
}

// featuresOf returns the features of a version. pages maps the crate's names of its
// dependencies to those that have a page here.
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

// dependency returns the name of the enabled dependency, or "" for a feature of the crate
// itself.
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
