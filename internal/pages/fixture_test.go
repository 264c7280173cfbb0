package pages

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/publicurl"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
)

// A fixture is a small mirror, all of it in memory.
type fixture struct {
	reader.Mirror                          // what is not asked for
	crates        map[string]*reader.Crate // by lower-case name
	about         map[string]About         // by name
	damaged       crate.ID
	past          pastOf

	mu     sync.Mutex
	totals reader.Totals
	run    *runstate.State
	runs   int      // calls of Run
	asked  []string // arguments of Crate
}

func (f *fixture) Crate(_ context.Context, name string) (*reader.Crate, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.asked = append(f.asked, name)
	if name == "broken" {
		return nil, errors.New("reading br/ok/broken in the index: input/output error")
	}
	if c, ok := f.crates[strings.ToLower(name)]; ok {
		return c, nil
	}
	return nil, fmt.Errorf("%s: %w", name, fs.ErrNotExist)
}

func (f *fixture) Open(_ context.Context, id crate.ID) (*reader.File, error) {
	if id == f.damaged {
		return nil, &reader.DamagedError{ID: id, Err: fs.ErrInvalid}
	}
	return nil, fs.ErrNotExist
}

func (f *fixture) Holds(name string) bool { return f.crates[strings.ToLower(name)] != nil }

func (f *fixture) Search(query string, offset, limit int) (names []string, total int) {
	for _, c := range f.crates {
		if strings.Contains(c.Name, strings.ToLower(query)) {
			names = append(names, c.Name)
		}
	}
	slices.Sort(names)
	total = len(names)
	from := min(offset, total)
	return names[from:min(from+limit, total)], total
}

func (f *fixture) Totals() reader.Totals {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.totals
}

func (f *fixture) Run() (runstate.State, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.runs++
	if f.run == nil {
		return runstate.State{}, false
	}
	return *f.run, true
}

func (f *fixture) setRun(s runstate.State) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.run = &s
}

func (f *fixture) looks() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.runs
}

func (f *fixture) tell(_ context.Context, id crate.Key) (About, error) {
	if a, ok := f.about[id.Name]; ok {
		return a, nil
	}
	return About{}, fs.ErrNotExist
}

// add adds a crate by its index lines.
func (f *fixture) add(lines ...string) {
	c := &reader.Crate{}
	for i, line := range lines {
		e, err := index.ParseLine([]byte(line))
		if err != nil {
			panic(err)
		}
		c.Name, c.Path = e.Name, crate.IndexPath(e.Name)
		c.Entries = append(c.Entries, reader.Entry{Entry: e, Held: true, Size: int64(77_000 + 1111*i)})
	}
	f.crates[strings.ToLower(c.Name)] = c
}

// line is an index line without dependencies.
func line(name, version, more string) string {
	return fmt.Sprintf(`{"name":%q,"vers":%q,"deps":[],"cksum":"%064x","features":{},"yanked":false%s}`, name, version, len(name+version), more)
}

func newFixture() *fixture {
	f := &fixture{crates: make(map[string]*reader.Crate), about: make(map[string]About)}
	const sum = `"cksum":"9a8e94ea7f378bd32cbbd37198a4a91436180c5bb472411e48b5ec2e2124ae9e"`
	f.add(
		`{"name":"serde","vers":"0.9.15","deps":[],"cksum":"34b623917345a631dc9608d5194cc206b3fe6c3554cd1c75b937e55e285254af","features":{},"yanked":false}`,
		`{"name":"serde","vers":"1.0.99","deps":[],"cksum":"fec2851eb56d010dc9a21b89ca53ee75e6528bab60c11e89d38390904982da9f","features":{},"yanked":false,"pubtime":"2019-08-19T20:14:00Z"}`,
		`{"name":"serde","vers":"1.0.171","deps":[],"cksum":"30e27d1e4fd7659406c492fd6cfaf2066ba8773de45ca75e855590f856dc34a9","features":{},"yanked":true,"pubtime":"2023-07-09T23:51:00Z","rust_version":"1.19"}`,
		`{"name":"serde","vers":"1.0.228","deps":[`+
			`{"name":"serde_derive","req":"^1","features":[],"optional":true,"default_features":true,"target":null,"kind":"normal"},`+
			`{"name":"serde_core","req":"=1.0.228","features":["result"],"optional":false,"default_features":false,"target":null,"kind":"normal"},`+
			`{"name":"core","req":"^1","features":[],"optional":true,"default_features":true,"target":null,"kind":"normal","package":"rustc-std-workspace-core"},`+
			`{"name":"windows-sys","req":">=0.52, <0.62","features":["Win32_Foundation","Win32_System_Threading"],"optional":false,"default_features":true,"target":"cfg(windows)","kind":"normal"},`+
			`{"name":"autocfg","req":"^1.1","features":[],"optional":false,"default_features":true,"target":null,"kind":"build"},`+
			`{"name":"serde_json","req":"^1","features":[],"optional":false,"default_features":true,"target":null,"kind":"dev"}],`+
			sum+`,"features":{"default":["std"],"std":["serde_core/std"],"unstable":[]},"features2":{"derive":["dep:serde_derive"]},"yanked":false,"rust_version":"1.56","pubtime":"2025-09-27T16:51:35Z","v":2}`,
		`{"name":"serde","vers":"2.0.0-rc.1+build.7","deps":[],"cksum":"57d9b0a5e3b5ea2a53ae3c9a29a1b60a5a5e3a0a4f5b7e5b0f9b3a2d5c6e7f80","features":{},"yanked":false,"pubtime":"2025-11-02T09:00:00Z"}`,
	)
	f.add(line("serde_derive", "1.0.228", ""))
	f.add(line("serde_core", "1.0.228", ""))
	f.add(line("serde_json", "1.0.145", ""))
	f.add(line("autocfg", "1.5.0", ""))
	f.about["serde"] = About{
		Description: "A generic serialization/deserialization framework", License: "MIT OR Apache-2.0",
		Homepage: "https://serde.rs", Repository: "https://github.com/serde-rs/serde", Documentation: "javascript:alert(1)",
	}
	f.about["serde_json"] = About{Description: "A JSON serialization file format"}
	now := time.Now()
	f.totals = reader.Totals{
		Crates: 219_332, Versions: 1_700_624, Bytes: 443_000_000_000, Counted: true,
		Commit: "3b1e8c2f9d4a5b6c7d8e9f0a1b2c3d4e5f607182", CommitTime: now.Add(-3 * time.Hour),
	}
	f.run = &runstate.State{
		PID: 7, Phase: "mirroring", Result: "complete", Processed: 1_700_624, OK: 1_700_624, Total: 1_700_624,
		Downloaded: 1204, Existing: 1_699_420, Bytes: 91_000_000,
		Started: now.Add(-3*time.Hour - 200*time.Second), Updated: now.Add(-3 * time.Hour), Ended: now.Add(-3 * time.Hour),
	}
	return f
}

// running returns a run that began long ago and has done so many versions.
func running(work int64) runstate.State {
	now := time.Now()
	return runstate.State{
		PID: 8, Phase: "mirroring", Processed: 400_000 + work, OK: 400_000 + work - 3, Errors: 3, Total: 1_700_624,
		Downloaded: work - 3, Existing: 400_000, Bytes: work * 260_000, ETASec: 3*3600 + 20*60,
		Started: now.Add(-42 * time.Minute), Updated: now,
	}
}

const testURL = "https://mirror.example/crates"

func newHandler(t testing.TB, f *fixture, publicURL string) *Handler {
	t.Helper()
	public, err := publicurl.Parse(publicURL)
	if err != nil {
		t.Fatal(err)
	}
	h := New(Config{Mirror: f, PublicURL: public, Version: "v2.0.0", About: f.tell})
	t.Cleanup(h.Close)
	return h
}

// get asks for a path as a client would that lies about our host.
func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(path, "?")
	r.Host = "evil.example"
	h.ServeHTTP(w, r)
	return w
}
