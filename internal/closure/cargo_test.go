package closure

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// A manifest is a user's project, and what was mirrored for it.
type manifest struct {
	name  string
	deps  string   // from its Cargo.toml, from "[dependencies]" on
	roots []string // lines of a file of names
}

// TestCargoAgrees: for each manifest, the packages that the real cargo selects from the
// whole registry are in the closure, and cargo selects the same ones from the closure
// alone.
func TestCargoAgrees(t *testing.T) {
	needCargo(t)
	dir := t.TempDir()
	reg := testRegistry(t, dir)
	ix := openIndex(t, dir)
	for _, m := range manifests {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			set := compute(t, ix, Options{Follow: true, Latest: 1}, m.roots...)
			for _, p := range set.Problems {
				t.Error(p.Err)
			}
			cargoAgrees(t, m, set, dir, reg)
		})
	}
}

// TestCargoStepsBack: if one crate forces cargo to select an older version of another,
// Latest must leave room for it.
func TestCargoStepsBack(t *testing.T) {
	durabletest.Seldom(t, 2)
	needCargo(t)
	dir := t.TempDir()
	reg := simreg.New(simreg.MustParse(`
		core 1.0.0
		core 1.1.0
		left 1.0.0
		  dep core =1.0.0
		left 1.1.0
		  dep core =1.1.0
		right 1.0.0
		  dep core =1.0.0
	`)...)
	if err := reg.WriteIndex(dir); err != nil {
		t.Fatal(err)
	}
	m := manifest{deps: "[dependencies]\nleft = \"1\"\nright = \"1\"\n"}
	for _, latest := range []int{2, 0} {
		set := compute(t, openIndex(t, dir), Options{Follow: true, Latest: latest}, "left", "right")
		cargoAgrees(t, m, set, dir, reg)
	}
}

// TestLockFileIsEnough: with only the packages of a lock file, some of them yanked by now,
// cargo reproduces the lock file; without the lock file, too, as long as none is yanked.
func TestLockFileIsEnough(t *testing.T) {
	durabletest.Seldom(t, 2)
	needCargo(t)
	dir := t.TempDir()
	reg := testRegistry(t, dir)
	m := manifests[slices.IndexFunc(manifests, func(m manifest) bool { return m.name == "all features" })]
	lock := newProject(t, m, serveIndex(t, dir, nil, reg)).lock()
	l, err := ReadLock(strings.NewReader(lock), "Cargo.lock")
	if err != nil {
		t.Fatal(err)
	}
	choose := func() *Set {
		set, err := Compute(t.Context(), openIndex(t, dir), Wishes{Pins: l.Pins}, Options{})
		if err != nil || len(set.Problems) > 0 || set.Versions != len(l.Pins) {
			t.Fatalf("%+v, %v; want %d versions", set, err, len(l.Pins))
		}
		return set
	}
	if diff := cmp.Diff(lock, newProject(t, m, serveIndex(t, dir, choose(), reg)).lock()); diff != "" {
		t.Errorf("resolved afresh: -want +got\n%s", diff)
	}
	for _, pin := range l.Pins {
		reg.Yank(pin.ID, true)
	}
	if err := reg.WriteIndex(dir); err != nil {
		t.Fatal(err)
	}
	p := newProject(t, m, serveIndex(t, dir, choose(), reg))
	p.write("app/Cargo.lock", lock)
	p.cargo("fetch", "--locked")
}

// cargoAgrees compares the lock files that cargo makes from the index in dir and from the
// part of it in set. If reg is not nil, it has the crate files, and cargo fetches with the
// lock file from the set alone.
func cargoAgrees(t *testing.T, m manifest, set *Set, dir string, reg *simreg.Registry) {
	t.Helper()
	whole := newProject(t, m, serveIndex(t, dir, nil, reg))
	want := whole.lock()
	checkLocked(t, set, want)
	part := newProject(t, m, serveIndex(t, dir, set, reg))
	if diff := cmp.Diff(want, part.lock()); diff != "" {
		t.Errorf("lock files from the whole registry and from the closure differ: -whole +closure\n%s", diff)
	}
	if reg != nil {
		part.cargo("fetch", "--locked")
	}
}

// checkLocked checks that every package of a lock file is in the set.
func checkLocked(t *testing.T, set *Set, lock string) {
	t.Helper()
	l, err := ReadLock(strings.NewReader(lock), "Cargo.lock")
	if err != nil {
		t.Fatal(err)
	}
	for _, pin := range l.Pins {
		if !set.has(pin.ID) {
			t.Errorf("cargo takes %s, which is not in the closure", pin.ID)
		}
	}
	t.Logf("cargo locks %d packages, the closure has %d versions of %d crates", len(l.Pins), set.Versions, set.Crates)
}

func (s *Set) has(id crate.ID) bool { return s.chosen[crate.IndexPath(id.Name)][id] }

// serveIndex serves an index as index.crates.io does, and the crate files; if set is not
// nil, only those in the set.
func serveIndex(t *testing.T, dir string, set *Set, reg *simreg.Registry) (url string) {
	t.Helper()
	mux := http.NewServeMux()
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	mux.HandleFunc("/index/config.json", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"dl":"%s/crates"}`, server.URL)
	})
	mux.HandleFunc("/index/", func(w http.ResponseWriter, req *http.Request) {
		path := strings.TrimPrefix(req.URL.Path, "/index/")
		data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(path)))
		if data = chosenLines(data, set); err != nil || len(data) == 0 {
			http.NotFound(w, req)
			return
		}
		w.Write(data)
	})
	mux.HandleFunc("/crates/{name}/{version}/download", func(w http.ResponseWriter, req *http.Request) {
		id := crate.ID{Name: req.PathValue("name"), Version: req.PathValue("version")}
		data, err := reg.CrateBytes(id)
		if err != nil || set != nil && !set.has(id) {
			http.NotFound(w, req)
			return
		}
		w.Write(data)
	})
	return "sparse+" + server.URL + "/index/"
}

func chosenLines(data []byte, set *Set) []byte {
	if set == nil {
		return data
	}
	var chosen []byte
	for raw := range bytes.Lines(data) {
		if e, err := index.ParseLine(bytes.TrimSpace(raw)); err == nil && set.has(e.ID) {
			chosen = append(chosen, raw...)
		}
	}
	return chosen
}

// A project is a folder in which cargo works with a registry that replaces crates.io.
type project struct {
	t   *testing.T
	dir string
}

func newProject(t *testing.T, m manifest, registry string) *project {
	t.Helper()
	p := &project{t, t.TempDir()}
	p.write("home/config.toml", fmt.Sprintf("[source.crates-io]\nreplace-with = \"test\"\n[source.test]\nregistry = %q\n", registry))
	p.write("app/Cargo.toml", "[package]\nname = \"app\"\nversion = \"0.0.0\"\nedition = \"2021\"\n"+m.deps)
	p.write("app/src/lib.rs", "")
	return p
}

func (p *project) write(name, text string) {
	p.t.Helper()
	file := filepath.Join(p.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// lock makes a new lock file and returns it.
func (p *project) lock() string {
	p.t.Helper()
	p.cargo("generate-lockfile")
	data, err := os.ReadFile(filepath.Join(p.dir, "app", "Cargo.lock"))
	if err != nil {
		p.t.Fatal(err)
	}
	return string(data)
}

func (p *project) cargo(args ...string) {
	p.t.Helper()
	cmd := exec.CommandContext(p.t.Context(), "cargo", args...)
	cmd.Dir = filepath.Join(p.dir, "app")
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "CARGO_") && !strings.Contains(strings.ToLower(kv), "_proxy=") {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.Env = append(cmd.Env, "CARGO_HOME="+filepath.Join(p.dir, "home"))
	if out, err := cmd.CombinedOutput(); err != nil {
		p.t.Fatalf("cargo %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

func needCargo(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("cargo resolves some 50 times")
	}
	if _, err := exec.LookPath("cargo"); err != nil {
		t.Skip("there is no cargo to compare with")
	}
}

func openIndex(t *testing.T, dir string) *index.Index {
	t.Helper()
	ix, err := index.Open(t.Context(), dir, index.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ix.Close() })
	return ix
}

func compute(t *testing.T, ix *index.Index, opt Options, names ...string) *Set {
	t.Helper()
	roots, problems, err := ReadNames(strings.NewReader(strings.Join(names, "\n")), "names")
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	set, err := Compute(t.Context(), ix, Wishes{Roots: roots}, opt)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// ids lists a set, as "name version", sorted.
func (s *Set) ids() (list []string) {
	for _, versions := range s.chosen {
		for id := range versions {
			list = append(list, id.String())
		}
	}
	slices.Sort(list)
	return list
}

// TestRealIndexAndCargo compares with cargo over a real index, in a checkout or plain
// folder that CLONECRATESIO_INDEX names.
func TestRealIndexAndCargo(t *testing.T) {
	dir := os.Getenv("CLONECRATESIO_INDEX")
	if dir == "" {
		t.Skip("CLONECRATESIO_INDEX names no index")
	}
	needCargo(t)
	ix := openIndex(t, dir)
	for _, roots := range [][]string{{"serde"}, {"tokio"}, {"clap"}, {"reqwest"}, {"axum"}, {"sqlx"}, {"diesel"}, {"bevy"}, {"tokio", "serde", "clap", "reqwest", "bevy"}} {
		t.Run(strings.Join(roots, "+"), func(t *testing.T) {
			set := compute(t, ix, Options{Follow: true, Latest: 1}, roots...)
			for _, err := range set.Unmet {
				t.Log(err)
			}
			deps := "[dependencies]\n"
			for _, root := range roots {
				deps += fmt.Sprintf("%s = { version = \"*\", features = [%s] }\n", root, allFeatures(t, dir, set, root))
			}
			cargoAgrees(t, manifest{deps: deps}, set, dir, nil)
		})
	}
}

// allFeatures lists the features of the newest selected version, as for a Cargo.toml.
func allFeatures(t *testing.T, dir string, set *Set, name string) (list string) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(crate.IndexPath(name))))
	if err != nil {
		t.Fatal(err)
	}
	lines := bytes.Split(bytes.TrimSpace(chosenLines(data, set)), []byte("\n"))
	e, err := index.ParseLine(lines[len(lines)-1])
	if err != nil {
		t.Fatal(err)
	}
	p, err := readPkg(&e)
	if err != nil {
		t.Fatal(err)
	}
	for f := range p.features {
		list += fmt.Sprintf("%q, ", f)
	}
	return list
}
