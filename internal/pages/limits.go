package pages

import "github.com/dustin/go-humanize"

// Limits for text from strangers on a page. Real crates stay below almost all of them: the
// longest real line has 60 kB.
const (
	maxText        = 300     // length of one piece of text, bytes
	maxQuery       = 64      // bytes: no name is longer, nor a category with "category:" before it
	maxLabel       = 55      // length of a keyword or a category, bytes
	maxLabels      = 5       // of each kind, as on crates.io
	maxLine        = 1 << 20 // length of an index line that is parsed for its details, bytes
	maxDeps        = 150     // dependencies of one kind
	maxBest        = 40      // dependencies of one kind whose best versions are looked up
	maxFeatures    = 150     // features of a version
	maxEnabled     = 12      // what one feature enables, or a dependency's features
	resultsPerPage = 20
	rowsPerPage    = 50   // versions
	maxHidden      = 50   // versions that a policy hides
	maxItems       = 2000 // of a folder of a crate
	maxOthers      = 500  // versions to compare with
	maxUnfolded    = 200  // lines of a file in a comparison that are unfolded initially
)

// size formats a size in binary units, as disk tools do.
func size(n int64) string { return humanize.IBytes(uint64(max(0, n))) }

// clip cuts s to at most n bytes, and marks the cut.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	cut := 0
	for i := range s { // never inside a character
		if i > n-len("…") {
			break
		}
		cut = i
	}
	return s[:cut] + "…"
}

// first returns at most n elements of list, and the number of others.
func first[T any](list []T, n int) ([]T, int) {
	if len(list) <= n {
		return list, 0
	}
	return list[:n], len(list) - n
}
