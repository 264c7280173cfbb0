package sidecar

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// A record of v1.1.0, which names the crate in its URL alone.
const v110 = `{"schema_version":1,"url":"https://static.crates.io/crates/qpl/qpl-0.0.1+5.crate","path":"","storage":"bundle","bundle_path":"bundles\\bundle-0000.tar.zst","bundle_member":"static.crates.io\\qpl-0.0.1+5.crate","size":1,"sha256":"","started_at":"","finished_at":"","ok":true}`

func logged(name, version, storage, bundle string) string {
	return fmt.Sprintf(`{"schema_version":1,"url":"https://x/%[1]s/%[1]s-%[2]s.crate","path":"p","storage":%[3]q,"bundle_path":%[4]q,"size":1,"sha256":"","started_at":"","finished_at":"","ok":true,"crate":%[1]q,"version":%[2]q}`,
		name, version, storage, bundle)
}

func TestPlaces(t *testing.T) {
	disk := mem()
	text := strings.Join([]string{
		logged("serde", "1.0.0", "bundle", "bundle-0000.tar.zst"),
		logged("ab", "1.0.0", "filesystem", ""),
		v110,
		"not JSON",
		logged("..", "1.0.0", "bundle", "evil"),
		logged("not-in-the-index", "1.0.0", "filesystem", ""),
		logged("serde", "1.0.0", "filesystem+bundle", "<bundle>"), // the last one counts
		logged("Inflector", "0.11.4", "", ""),                     // not held
		`{"schema_version":1,"url":"https`,
	}, "\n")
	places, err := readPlaces(context.Background(), strings.NewReader(text), disk, "scratch", quiet, 1) // a run of each record
	if err != nil {
		t.Fatal(err)
	}
	if places.Bad != 2 {
		t.Errorf("%d bad lines, want 2", places.Bad)
	}
	dir := writeIndex(t, parse(registry))
	makeAll(t, disk, dir, "jsonl", func(c *Config) { c.Places = places })
	if err := places.Close(); err != nil {
		t.Error(err)
	}
	got := content(t, disk, "x.jsonl")
	for _, want := range []string{
		`"index_path":"2/ab","storage":"filesystem"}`,
		`"index_path":"in/fl/inflector"}`,
		`"index_path":"3/q/qpl","storage":"bundle","bundle_path":"bundles\\bundle-0000.tar.zst","bundle_member":"static.crates.io\\qpl-0.0.1+5.crate"}`,
		`"index_path":"se/rd/serde","storage":"filesystem+bundle","bundle_path":"<bundle>"}`,
		`"index_path":"se/rd/serde_derive"}`,
	} {
		if !strings.Contains(strings.ReplaceAll(got, "serde_derive/", ""), want) && !strings.Contains(got, want) {
			t.Errorf("no %s in\n%s", want, got)
		}
	}
	if files := tree(t, disk, "."); len(files) != 1 {
		t.Errorf("left: %v", files)
	}
}

// Every record finds its crate, in whatever order they come and however many
// runs are sorted.
func TestPlacesOfManyCrates(t *testing.T) {
	reg := simreg.Generate(2000, 100, 3)
	r, w := io.Pipe()
	go func() {
		ids := reg.IDs()
		for i := range ids {
			id := ids[i*7919%len(ids)]
			fmt.Fprintln(w, logged(id.Name, id.Version, "bundle", "of "+id.String()))
		}
		w.Close()
	}()
	disk := mem()
	places, err := readPlaces(context.Background(), r, disk, "scratch", quiet, 20_000) // dozens of runs
	if err != nil {
		t.Fatal(err)
	}
	defer places.Close()
	makeAll(t, disk, writeIndex(t, reg), "jsonl", func(c *Config) { c.Places = places })
	for line := range strings.Lines(content(t, disk, "x.jsonl")) {
		o := decode(t, line)
		if want := fmt.Sprintf("of %s %s", o["name"], o["vers"]); o["bundle_path"] != want {
			t.Fatalf("bundle_path is %v, want %v", o["bundle_path"], want)
		}
	}
}

// The manifest that a download writes is understood, chain and all.
func TestPlacesOfOurManifest(t *testing.T) {
	disk := mem()
	w := runlog.Create(disk, "m.jsonl")
	if err := w.Append(slices.Values([]*runlog.Record{{Crate: "ab", Version: "1.0.0", Storage: runlog.Filesystem, OK: true}})); err != nil {
		t.Fatal(err)
	}
	f, err := disk.Open("m.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	places, err := ReadPlaces(context.Background(), f, disk, "scratch", quiet)
	if err != nil {
		t.Fatal(err)
	}
	defer places.Close()
	got, err := places.of("2/ab")
	if err != nil || got[crate.ID{Name: "ab", Version: "1.0.0"}] != (Place{Storage: "filesystem"}) || places.Bad != 0 {
		t.Errorf("%v, %v, %d bad", got, err, places.Bad)
	}
	if _, err := places.of("1/a"); err == nil {
		t.Error("an index that is not sorted is taken")
	}
}

// What a killed run left is no obstacle.
func TestPlacesAfterAKill(t *testing.T) {
	disk := mem()
	f, err := disk.Create("scratch")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	hooked := durabletest.Hook(disk, nil)
	places, err := ReadPlaces(context.Background(), strings.NewReader(""), hooked, "scratch", quiet)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := places.of("1/a"); err != nil || len(got) != 0 {
		t.Errorf("%v, %v", got, err)
	}
	if err := places.Close(); err != nil {
		t.Error(err)
	}
}
