package pages

import "github.com/dustin/go-humanize"

// What a page shows at most of what strangers have written. Real crates stay
// below almost all of these: the longest real line has 60 kB.
const (
	maxText        = 300     // bytes of one piece of text
	maxQuery       = 64      // bytes: no name is longer, and no category with "category:" before it
	maxLabel       = 55      // bytes of a keyword or a category
	maxLabels      = 5       // of each kind, as on crates.io
	maxLine        = 1 << 20 // bytes of an index line that is read for its details
	maxDeps        = 150     // dependencies of one kind
	maxBest        = 40      // dependencies of one kind whose versions are looked up
	maxFeatures    = 150     // features of a version
	maxEnabled     = 12      // what one feature turns on, or a dependency's features
	resultsPerPage = 20
	rowsPerPage    = 50   // versions
	maxHidden      = 50   // versions that a policy hides
	maxItems       = 2000 // of a folder of a crate
	maxOthers      = 500  // versions to compare with
	maxUnfolded    = 200  // lines of a file in a comparison that are seen at once
)

// size is in binary units, as disks are measured by those who fill them.
func size(n int64) string { return humanize.IBytes(uint64(max(0, n))) }

// clip cuts s to n bytes at most, and shows that it did.
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

// first returns n elements of list at most, and how many are left out.
func first[T any](list []T, n int) ([]T, int) {
	if len(list) <= n {
		return list, 0
	}
	return list[:n], len(list) - n
}
