package cli

import (
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"
	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle/lists"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runlog"
)

// TestSeed: what users of v1.1.0 rely on is still there, line by line of
// testdata/seed.txt.
func TestSeed(t *testing.T) {
	data, err := os.ReadFile("testdata/seed.txt")
	if err != nil {
		t.Fatal(err)
	}
	seed := newSeed(t)
	seen := map[string]int{}
	for _, line := range strings.Split(strings.ReplaceAll(string(data), "\r\n", "\n"), "\n") {
		kind, rest, _ := strings.Cut(line, " ")
		if kind == "" || kind == "#" {
			continue
		}
		seen[kind]++
		if kind == "without" {
			if _, reason, _ := strings.Cut(rest, ": "); reason == "" {
				t.Errorf("%s: there is no reason", line)
			}
			continue
		}
		has, known := seed[kind]
		if !known {
			t.Errorf("%s: unknown kind", line)
		} else if !has(rest) {
			t.Errorf("missing, and v1.1.0 has it: %s", line)
		}
	}
	for kind := range seed {
		if seen[kind] == 0 {
			t.Errorf("testdata/seed.txt has no line of the kind %q", kind)
		}
	}
}

// newSeed returns, for each kind of line, whether what the line names is there.
func newSeed(t *testing.T) map[string]func(rest string) bool {
	endpoints := adminEndpoints(t)
	metrics := body(t, endpoints, "/metrics")
	wrapper := readFile(t, "../../Clone-Index.py")
	var project map[string]any
	if err := toml.Unmarshal([]byte(readFile(t, "../../CloneCratesio.manifest.toml")), &project); err != nil {
		t.Fatal(err)
	}
	fields := seedFields(t, endpoints)
	values := map[string][]string{
		"status":  {runlog.Downloaded, runlog.Existing, runlog.VerifiedExisting, runlog.Error},
		"storage": {runlog.Filesystem, runlog.Bundle, runlog.FilesystemAndBundle},
	}
	return map[string]func(string) bool{
		"flag":    func(rest string) bool { return hasFlag(strings.Fields(rest)) },
		"wrapper": func(rest string) bool { return strings.Contains(wrapper, `"`+rest+`"`) },
		"field": func(rest string) bool {
			of, name, _ := strings.Cut(rest, " ")
			return slices.Contains(fields[of], name)
		},
		"value": func(rest string) bool {
			of, name, _ := strings.Cut(rest, " ")
			return slices.Contains(values[of], name)
		},
		"metric":   func(rest string) bool { return hasMetric(metrics, strings.Fields(rest)) },
		"endpoint": func(rest string) bool { return get(endpoints, rest, "127.0.0.1:1").StatusCode == http.StatusOK },
		"file":     hasFile,
		"project": func(rest string) bool {
			table, key, nested := strings.Cut(rest, ".")
			in, ok := project[table].(map[string]any)
			_, has := in[key]
			return ok && (has || !nested)
		},
	}
}

// hasFlag reports whether a program has a flag, with the default that is named after it.
func hasFlag(words []string) bool {
	app := &App{program.App{Stdout: io.Discard, Stderr: io.Discard}}
	for _, flag := range programs[words[0]](app).Flags {
		if slices.Contains(flag.Names(), words[1]) {
			shown, ok := flag.(cli.DocGenerationFlag)
			return ok && (len(words) == 2 || strings.Trim(shown.GetValue(), `"`) == words[2])
		}
	}
	return false
}

// hasMetric reports whether a metric of a type is there, with these labels.
func hasMetric(metrics string, words []string) bool {
	if !strings.Contains(metrics, "\n# TYPE "+words[0]+" "+words[1]+"\n") {
		return false
	}
	for _, label := range words[2:] {
		if !slices.ContainsFunc(strings.Split(metrics, "\n"), func(line string) bool {
			return strings.HasPrefix(line, words[0]+"{") && strings.Contains(line, label+`="`)
		}) {
			return false
		}
	}
	return true
}

// hasFile reports whether a file of the repository is there with exactly this spelling,
// on file systems that do not tell case apart, too.
func hasFile(path string) bool {
	path = filepath.Join("../..", filepath.FromSlash(path))
	entries, err := os.ReadDir(filepath.Dir(path))
	return err == nil && slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == filepath.Base(path) })
}

// seedFields is the fields of each kind of record.
func seedFields(t *testing.T, endpoints http.Handler) map[string][]string {
	t.Helper()
	disk := durabletest.NewMem()
	member, err := lists.AppendManifestLine(nil, lists.ManifestEntry{})
	if err = errors.Join(err, lists.AppendCatalog(disk, lists.CatalogEntry{})); err != nil {
		t.Fatal(err)
	}
	bundles, err := durable.ReadFile(disk, "bundles.index.jsonl", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	return map[string][]string{
		"manifest":        jsonNames(reflect.TypeFor[runlog.Record]()),
		"bundle-manifest": keys(t, string(member)),
		"bundle-list":     keys(t, string(bundles)),
		"status":          keys(t, body(t, endpoints, "/api/status")),
		"sidecar":         keys(t, seedSidecar(t, "se/rd/serde", program.ExitOK)),
	}
}

// keys is the names of a JSON object.
func keys(t *testing.T, object string) []string {
	t.Helper()
	var values map[string]any
	if err := json.Unmarshal([]byte(object), &values); err != nil {
		t.Fatalf("%s: %v", object, err)
	}
	return slices.Collect(maps.Keys(values))
}

func jsonNames(record reflect.Type) (names []string) {
	for i := range record.NumField() {
		name, _, _ := strings.Cut(record.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	return names
}

// TestSeedFixture: where v1.1.0 has its fixture is the path of no crate, so there is no
// index; at the path of serde the same lines are two versions.
func TestSeedFixture(t *testing.T) {
	if got := seedSidecar(t, "a/aa/aaa", program.ExitIncomplete); got != "" {
		t.Errorf("a sidecar was written: %s", got)
	}
	got := seedSidecar(t, "se/rd/serde", program.ExitOK)
	for _, want := range []string{`"crate_file": "serde-1.0.1.crate"`, `"index_path": "se/rd/serde"`, `"yanked": true`} {
		if !strings.Contains(got, want) {
			t.Errorf("the sidecar of serde 1.0.1 lacks %s: %s", want, got)
		}
	}
}

// seedSidecar writes sidecars of Testdata's lines, put at a path of an index, and returns
// that of serde 1.0.1.
func seedSidecar(t *testing.T, path string, exit int) string {
	t.Helper()
	index, out := t.TempDir(), t.TempDir()
	file := filepath.Join(index, filepath.FromSlash(path))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(readFile(t, "../../Testdata/index/a/aa/aaa")), 0o644); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	app := &App{program.App{Stdout: &said, Stderr: &said}}
	if code := app.Run(GenerateSidecars, []string{"generate-sidecars", "-index-dir", index, "-out", out, "-include-yanked"}); code != exit {
		t.Fatalf("%s: exit %d, want %d: %s", path, code, exit, &said)
	}
	sidecar, _ := os.ReadFile(filepath.Join(out, "s/er/serde-1.0.1.crate.json"))
	return string(sidecar)
}

func body(t *testing.T, h http.Handler, path string) string {
	t.Helper()
	data, err := io.ReadAll(get(h, path, "127.0.0.1:1").Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
