package pages

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
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
	"github.com/APTlantis/Mirror-Rust-Crates/internal/roundlog"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// A fixture is a small mirror, all of it in memory.
type fixture struct {
	reader.Mirror                          // what is not asked for
	crates        map[string]*reader.Crate // by lower-case name
	about         map[string]About         // by name
	damaged       crate.ID
	denied        crate.ID
	files         map[crate.ID][]byte
	health        *Health
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

func (f *fixture) OpenBytes(_ context.Context, key crate.Key) (*reader.File, error) {
	if key.ID == f.damaged {
		return nil, &reader.DamagedError{ID: key.ID, Err: fs.ErrInvalid}
	}
	if key.ID == f.denied {
		return nil, refusal{}
	}
	data, ok := f.files[key.ID]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return &reader.File{Content: inMemory{bytes.NewReader(data)}, ID: key.ID, Checksum: key.Checksum}, nil
}

// inMemory is a crate file.
type inMemory struct{ *bytes.Reader }

func (inMemory) Identity() (store.Identity, error) { return store.Identity{}, nil }
func (inMemory) Close() error                      { return nil }

// refusal is what package gate says of bytes that are not given out.
type refusal struct{}

func (refusal) Error() string         { return "denied" }
func (refusal) Refuse() (int, string) { return 403, "serde is blocked here: <b>a reason</b>." }

// pack makes a crate file of files, by their path in it.
func pack(id crate.ID, files map[string]string) []byte {
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		header := &tar.Header{Name: id.Name + "-" + id.Version + "/" + name, Mode: 0o644, Size: int64(len(files[name]))}
		if err := tw.WriteHeader(header); err != nil {
			panic(err)
		}
		if _, err := io.WriteString(tw, files[name]); err != nil {
			panic(err)
		}
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		panic(err)
	}
	return buf.Bytes()
}

// pixel is an image.
const pixel = "\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x00\x00\x00\x01\x00\x00\x00\x01\x08\x06\x00\x00\x00\x1f\x15\xc4\x89" +
	"\x00\x00\x00\rIDATx\x9cc\xf8\xcf\xc0P\x0f\x00\x04\x85\x01\x80\x84\xa9\x8c!\x00\x00\x00\x00IEND\xaeB`\x82"

// sources are what is in the crate files of serde: of 1.0.228, and of 1.0.99.
var sources = [2]map[string]string{{
	"Cargo.toml": "[package]\nname = \"serde\"\nversion = \"1.0.228\"\nreadme = \"crates-io.md\"\n",
	"crates-io.md": "# Serde [![Build Status]][actions]\n\n[Build Status]: https://img.shields.io/status\n[actions]: https://github.com/serde-rs/serde/actions\n\n" +
		"**Serde is a framework for *ser*ializing and *de*serializing Rust data structures efficiently and generically.**\n\n---\n\n" +
		"You may be looking for:\n\n- [An overview](https://serde.rs/)\n- [Examples](examples/demo.rs)\n- [What is not here](gone.md)\n\n" +
		"## In action\n\n```rust\n#[derive(Serialize, Deserialize, Debug)]\nstruct Point { x: i32, y: i32 }\n```\n\n" +
		"| format | crate |\n|---|---|\n| JSON | `serde_json` |\n\n![logo](logo.png) <img src=https://evil.example/spy.gif> <script>alert(1)</script>\n",
	"examples/demo.rs": "fn main() {\n\tprintln!(\"<b>\");\n}\n",
	"logo.png":         pixel,
	"src/lib.rs":       "//! Serde\n\n#![no_std]\n\nmod de;\nmod ser;\n\npub use ser::Serialize;\n",
	"src/ser/mod.rs":   "",
	"src/data.bin":     "\x00\x01",
}, {
	"Cargo.toml": "[package]\nname = \"serde\"\nversion = \"1.0.99\"\n",
	"src/lib.rs": "//! Serde\n\n#![no_std]\n\nmod de;\n",
	"src/old.rs": "// gone\n",
}}

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

// healthOf is nil where nothing is known.
func (f *fixture) healthOf() func() Health {
	if f.health == nil {
		return nil
	}
	return func() Health { return *f.health }
}

// healthy is a mirror in which nothing is wrong, and ailing one in which something is.
func (f *fixture) healthy() {
	lag := 20 * time.Second
	f.health = &Health{Lag: &lag, Coverage: 1, OldestHash: time.Now().Add(-12 * 24 * time.Hour), Swept: time.Now().Add(-8 * 24 * time.Hour), Free: 1 << 40, FreeKnown: true}
	f.health.Rounds = lastRounds("")
}

// lastRounds are of the last days; the last one ended with a result.
func lastRounds(result string) *roundlog.Log {
	l, now := new(roundlog.Log), time.Now().UTC()
	for i := range 12 {
		r := roundlog.Round{Ended: now.Add(time.Duration(i-12) * time.Hour), Downloaded: int64(41 * (i % 4)), Bytes: int64(7_100_000 * (i % 4))}
		if i == 11 && result != "" {
			r.ExitCode, r.Result, r.Failed = 3, result, 2
		}
		l.Add(r, 0)
		if i%4 == 0 {
			r.Ended = r.Ended.Add(time.Minute)
			l.Add(r, 0)
		}
	}
	for i := range 40 {
		l.Sizes = append(l.Sizes, roundlog.Size{At: now.Add(time.Duration(i-40) * 72 * time.Hour), Versions: min(1_700_624, int64(200_000+70_000*i+120*i*i))})
	}
	return l
}

func (f *fixture) ailing() {
	lag := 3 * time.Hour
	f.run.Result, f.run.Errors, f.run.Failures, f.run.SucceededAt = "2 versions are not held", 2, 3, time.Now().Add(-30*time.Hour)
	f.health = &Health{
		Rounds:  lastRounds("serde 1.0.227: 503 Service Unavailable: <b>try later</b>"),
		Missing: 2, Gone: 1, Lag: &lag, Coverage: .407, OldestHash: time.Now().Add(-90 * 24 * time.Hour), Damaged: 1, Unsettled: 2, Free: 1 << 30, FreeKnown: true,
		Lacking: []Lacking{
			{crate.ID{Name: "serde", Version: "1.0.227"}, "503 Service Unavailable: <b>try later</b>", time.Now().Add(-30 * time.Hour)},
			{crate.ID{Name: "zz", Version: "0.1.0"}, "the bytes are not those of the checksum", time.Time{}},
		},
	}
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
	f.files = map[crate.ID][]byte{}
	for i, version := range []string{"1.0.228", "1.0.99"} {
		id := crate.ID{Name: "serde", Version: version}
		f.files[id] = pack(id, sources[i])
	}
	f.about["serde"] = About{
		Description: "A generic serialization/deserialization framework", License: "MIT OR Apache-2.0",
		Homepage: "https://serde.rs", Repository: "https://github.com/serde-rs/serde", Documentation: "javascript:alert(1)",
		Keywords: []string{"serde", "no_std", "not one"}, Categories: []string{"encoding", "no-std::no-alloc"},
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
	h := New(Config{Mirror: f, PublicURL: public, Version: "v2.0.0", About: f.tell, Health: f.healthOf()})
	t.Cleanup(h.Close)
	return h
}

// get asks for a path like a client with a forged Host.
func get(h http.Handler, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", "/", nil)
	r.URL.Path, r.URL.RawQuery, _ = strings.Cut(path, "?")
	r.Host = "evil.example"
	h.ServeHTTP(w, r)
	return w
}
