package plan

import (
	"strings"
	"testing"
)

// What is in bundles of v1.1.0 is taken over: it is nothing to fetch, but needs its room.
func TestForecastOldBundles(t *testing.T) {
	for _, tt := range []struct {
		old, fetch int64
		says       string
	}{
		{0, 3 * meanCrate, "to fetch: about 570 kB, "},
		{2 * meanCrate, meanCrate, "not to fetch: 380 kB in bundles of v1.1.0"},
		{4 * meanCrate, 0, "not to fetch: 760 kB in bundles of v1.1.0"},
	} {
		f, err := Totals{Fetch: 3, OldBytes: tt.old}.Forecast(t.TempDir(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		if f.FetchBytes != tt.fetch || f.OldBytes != tt.old {
			t.Errorf("%d bytes in old bundles: %+v, want %d to fetch", tt.old, f, tt.fetch)
		}
		var out strings.Builder
		f.Print(&out, "crates")
		if timed := strings.Contains(out.String(), "time: "); !strings.Contains(out.String(), tt.says) || timed != (tt.fetch > 0) {
			t.Errorf("%d bytes in old bundles: %q", tt.old, out.String())
		}
	}
	f, err := Totals{Fetch: 1, OldBytes: 1 << 62}.Forecast(t.TempDir(), t.TempDir())
	if err != nil || f.Fits && f.FreeBytes >= 0 {
		t.Errorf("more than any disk has: %+v, %v", f, err)
	}
}
