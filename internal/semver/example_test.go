package semver_test

import (
	"fmt"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// A requirement as in a Cargo.toml, and the versions that it matches.
func ExampleParseReq() {
	req, err := semver.ParseReq("^1.2")
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, text := range []string{"1.1.9", "1.2.0", "1.9.0", "1.9.0-rc.1", "2.0.0"} {
		v, err := semver.Parse(text)
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(text, req.Matches(v))
	}
	// Output:
	// 1.1.9 false
	// 1.2.0 true
	// 1.9.0 true
	// 1.9.0-rc.1 false
	// 2.0.0 false
}

// In order, oldest first; a text that is no version comes before those that are.
func ExampleCompareText() {
	versions := []string{"1.10.0", "1.9.0", "1.10.0-rc.2", "1.10.0-rc.10"}
	slices.SortFunc(versions, semver.CompareText)
	fmt.Println(versions)
	// Output: [1.9.0 1.10.0-rc.2 1.10.0-rc.10 1.10.0]
}
