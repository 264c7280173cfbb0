package simreg

import (
	"strings"
	"testing"
)

// The demo shows what is special about crates.io, so all of it must be there.
func TestDemoHasEveryOddity(t *testing.T) {
	r := Demo()
	ids := r.IDs()
	if n := len(ids); n < 300 || n > 400 {
		t.Errorf("%d versions, want 300 to 400", n)
	}
	seen := make(map[string]int)
	crates := make(map[string]bool)
	base := make(map[string]int) // versions that share all but build metadata
	size := 0
	for _, id := range ids {
		crates[id.Name] = true
		size += len(bytesOf(t, r, id))
		line := entryOf(t, r, id)
		for what, there := range map[string]bool{
			"yanked":        strings.Contains(line, `"yanked":true`),
			"features2":     strings.Contains(line, `"features2"`) && strings.HasSuffix(line, `,"v":2}`),
			"dep:":          strings.Contains(line, `"dep:`),
			"renamed":       strings.Contains(line, `"package":`),
			"optional":      strings.Contains(line, `"optional":true`),
			"dev":           strings.Contains(line, `"kind":"dev"`),
			"build":         strings.Contains(line, `"kind":"build"`),
			"target":        strings.Contains(line, `"target":"cfg(unix)"`),
			"links":         strings.Contains(line, `"links":`),
			"rust_version":  strings.Contains(line, `"rust_version":`),
			"pubtime":       strings.Contains(line, `"pubtime":"2024-`),
			"metadata":      strings.Contains(id.Version, "+"),
			"pre-release":   strings.Contains(id.Version, "-beta"),
			"upper case":    strings.ToLower(id.Name) != id.Name,
			"dash":          strings.Contains(id.Name, "-"),
			"underscore":    strings.Contains(id.Name, "_"),
			"one letter":    len(id.Name) == 1,
			"two letters":   len(id.Name) == 2,
			"three letters": len(id.Name) == 3,
		} {
			if there {
				seen[what]++
			} else {
				seen[what] += 0
			}
		}
		v, _, _ := strings.Cut(id.Version, "+")
		if base[id.Name+" "+v]++; base[id.Name+" "+v] == 2 {
			seen["pair"]++
		}
	}
	for what, n := range seen {
		if n == 0 {
			t.Errorf("no version has: %s", what)
		}
	}
	if seen["pair"] == 0 || len(crates) < 60 {
		t.Errorf("%d pairs that differ in build metadata, %d crates", seen["pair"], len(crates))
	}
	if size > 1<<20 {
		t.Errorf("%d bytes in all, want less than 1 MiB", size)
	}
	t.Logf("%d versions of %d crates, %d bytes", len(ids), len(crates), size)
}
