package flags

import "testing"

// TestParseSize: ParseSize accepts the usual spellings of sizes, and nothing else.
func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"300000": 300_000, "300000B": 300_000, "300000 bytes": 300_000, "0": 0,
		"300kB": 300_000, "300KB": 300_000, "300 kb": 300_000, "300K": 300 << 10, "300k": 300 << 10, "300KiB": 300 << 10,
		"700MB": 700_000_000, "700M": 700 << 20, "700mib": 700 << 20,
		"4GiB": 4 << 30, "4G": 4 << 30, "4GB": 4_000_000_000, "1TB": 1e12, "1TiB": 1 << 40, "1024TiB": 1 << 50,
	} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%q: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "B", "GiB", "-1", "-4GiB", "+4GiB", "4.5GiB", "4GiBs", "4XB", "4  GiB", "4GiB ", " 4GiB", "1025TiB", "99999999999999999999",
	} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q is taken for %d", text, got)
		}
	}
}
