package sidecar

import (
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/parquet-go/parquet-go"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

func readTable(t *testing.T, disk *durabletest.Mem) []Row {
	t.Helper()
	f, err := disk.Open("x.parquet")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	rows, err := parquet.Read[Row](f, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	return rows
}

// Batches that wait for nothing but the cores are few, whatever is asked for: a
// hundred of them are 60 MB of a table's memory.
func TestBatchesInWork(t *testing.T) {
	few := 4 * runtime.GOMAXPROCS(0)
	for what, tt := range map[string]struct {
		cfg  Config
		want int
	}{
		"files":           {Config{Output: &Files{}}, 128},
		"lines":           {Config{Output: &JSONL{}}, min(few, 128)},
		"rows":            {Config{Output: &Parquet{}, Concurrency: 1 << 10}, few},
		"rows, one":       {Config{Output: &Parquet{}, Concurrency: 1}, 1},
		"rows and crates": {Config{Output: &Parquet{}, Crates: &Crates{}}, 128},
	} {
		if got := tt.cfg.withDefaults().Concurrency; got != tt.want {
			t.Errorf("%s: %d batches, want %d", what, got, tt.want)
		}
	}
}

func TestParquet(t *testing.T) {
	disk := mem()
	dir := writeLines(t, "x",
		`{"name":"x","vers":"1.0.0","deps":[{"name":"a","req":"^1"},{"name":"b","req":"*"}],`+sum+`,"features":{"f":["a"],"g":[]},"yanked":false}`,
		`{"name":"x","vers":"1.1.0","deps":[],`+sum+`,"features":{},"features2":{"h":["dep:a"]},"yanked":true,"links":"z","rust_version":"1.70","pubtime":"2026-01-31T12:00:00Z","v":2,"new":[1.50],"x":{}}`,
		`{"name":"x","vers":"1.2.0",`+sum+`,"yanked":false,"deps":null,"links":null,"pubtime":"yesterday","v":"3"}`)
	makeAll(t, disk, dir, "parquet", nil)
	row := func(version string) Row {
		file := "x-" + version + ".crate"
		return Row{Name: "x", Version: version, Cksum: sum[9 : 9+64], Deps: "[]", Features: "{}",
			CrateFile: file, CrateURL: base + "/x/" + file, IndexPath: "1/x", Categories: []string{}, Keywords: []string{}}
	}
	one, two, three := row("1.0.0"), row("1.1.0"), row("1.2.0")
	one.Deps, one.DepsCount = `[{"name":"a","req":"^1"},{"name":"b","req":"*"}]`, 2
	one.Features, one.FeaturesCount = `{"f":["a"],"g":[]}`, 2
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	two.Yanked, two.Links, two.RustVersion, two.Pubtime, two.V = true, "z", "1.70", at, 2
	two.Features2, two.FeaturesCount, two.Other = `{"h":["dep:a"]}`, 1, `{"new":[1.50],"x":{}}`
	three.Other = `{"pubtime":"yesterday","v":"3"}` // not of their kind, but not lost
	if diff := cmp.Diff([]Row{one, two, three}, readTable(t, disk)); diff != "" {
		t.Error(diff)
	}
}
