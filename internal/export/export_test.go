package export

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

func TestMain(m *testing.M) {
	durabletest.ScratchInMemory()
	durabletest.GarbageWaits()
	goleak.VerifyTestMain(m)
}

// fake is a mirror of a registry in memory.
type fake struct {
	reg     *simreg.Registry
	wrong   crate.ID // its bytes are wrong
	damaged crate.ID
	another crate.ID // was published again: with as many, but different bytes
}

// bytes returns the crate file of a version and its checksum.
func (f *fake) bytes(id crate.ID) ([]byte, crate.Checksum) {
	data, _ := f.reg.CrateBytes(id)
	if id == f.another {
		data = bytes.Clone(data)
		data[len(data)/2] ^= 1
	}
	return data, sha256.Sum256(data)
}

func newFake(text string) *fake { return &fake{reg: simreg.New(simreg.MustParse(text)...)} }

func (f *fake) Names(context.Context) (names []string, err error) {
	for _, id := range f.reg.IDs() {
		names = append(names, id.Name)
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}

func (f *fake) Crate(_ context.Context, name string) (*reader.Crate, error) {
	c := &reader.Crate{Name: name, Path: crate.IndexPath(name)}
	for _, id := range f.reg.IDs() {
		if id.Name == name {
			line, _ := f.reg.Entry(id)
			data, sum := f.bytes(id)
			was, _ := f.reg.Checksum(id)
			line = bytes.Replace(line, []byte(was.String()), []byte(sum.String()), 1)
			c.Entries = append(c.Entries, reader.Entry{Entry: index.Entry{ID: id, Checksum: sum, Raw: line}, Held: true, Size: int64(len(data))})
		}
	}
	if c.Entries == nil {
		return nil, fs.ErrNotExist
	}
	return c, nil
}

func (f *fake) OpenBytes(_ context.Context, key crate.Key) (*reader.File, error) {
	id := key.ID
	if id == f.damaged {
		return nil, &reader.DamagedError{ID: id, Err: fs.ErrInvalid}
	}
	data, sum := f.bytes(id)
	if data == nil {
		return nil, fs.ErrNotExist
	}
	if id == f.wrong {
		data = bytes.Clone(data)
		data[0] ^= 1
	}
	return &reader.File{Content: store.InMemory(data), ID: id, Checksum: sum}, nil
}

const before = `
	foo 1.0.0
	foo 1.1.0
	gone 1.0.0
	bar 0.1.0+a
	bar 0.1.0+b
`

const after = `
	foo 1.0.0
	foo 1.2.0
	bar 0.1.0+b
	new-one 1.0.0
`

// export runs once on a folder.
func export(t *testing.T, m Mirror, out durable.FS, change func(*Config)) (*Summary, error) {
	t.Helper()
	cfg := Config{Mirror: m, Out: out, PublicURL: "https://mirror.example", AcceptShrink: true}
	if change != nil {
		change(&cfg)
	}
	if err := Prepare(out); err != nil {
		return nil, err
	}
	return Run(t.Context(), cfg)
}

// checkTree checks that every line leads to the bytes that it names, and returns the
// versions that lines name and all files of crates/.
func checkTree(t *testing.T, tree durable.Reader) (lines, files []string) {
	t.Helper()
	walk(t, tree, IndexDir, func(name string) {
		if name == configName {
			return
		}
		body, err := durable.ReadFile(tree, name, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(body) {
			e, err := index.ParseLine(bytes.TrimSuffix(line, []byte("\n")))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			lines = append(lines, e.ID.String())
			for _, file := range fileNames(e.ID) {
				data, err := durable.ReadFile(tree, path.Join(cratesDir, e.Name, file), 1<<20)
				if err != nil || crate.Checksum(sha256.Sum256(data)) != e.Checksum {
					t.Errorf("a line names %s, but %s has %d bytes, which are not its own: %v", e.ID, file, len(data), err)
				}
			}
		}
	})
	walk(t, tree, cratesDir, func(name string) { files = append(files, strings.TrimPrefix(name, "crates/")) })
	return lines, files
}

func walk(t *testing.T, tree durable.Reader, dir string, f func(name string)) {
	t.Helper()
	entries, err := tree.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := path.Join(dir, e.Name()); e.IsDir() {
			walk(t, tree, name, f)
		} else {
			f(name)
		}
	}
}

// wantAfter is the tree of after, pruned.
var (
	wantLines = []string{"bar 0.1.0+b", "foo 1.0.0", "foo 1.2.0", "new-one 1.0.0"}
	wantFiles = []string{"bar/bar-0.1.0 b.crate", "bar/bar-0.1.0+b.crate", "foo/foo-1.0.0.crate", "foo/foo-1.2.0.crate", "new-one/new-one-1.0.0.crate"}
)

func wantAfter(t *testing.T, tree durable.Reader) {
	t.Helper()
	lines, files := checkTree(t, tree)
	slices.Sort(lines)
	if diff := cmp.Diff(wantLines, lines); diff != "" {
		t.Errorf("lines: -want +got:\n%s", diff)
	}
	if diff := cmp.Diff(wantFiles, files); diff != "" {
		t.Errorf("files: -want +got:\n%s", diff)
	}
}

func prune(cfg *Config) { cfg.Prune = true }

func TestExport(t *testing.T) {
	tree := durabletest.NewMem()
	first, err := export(t, newFake(before), tree, nil)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(Counts{Total: 3, Done: 3, Crates: 3, Versions: 5, Bytes: first.Bytes, Copied: 7, Index: 3}, first.Counts); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	lines, files := checkTree(t, tree)
	if len(lines) != 5 || len(files) != 7 {
		t.Errorf("the tree has lines %q and files %q", lines, files)
	}
	again, err := export(t, newFake(before), tree, nil)
	if err != nil || again.Kept != 5 || again.Copied+again.Index != 0 {
		t.Errorf("again: %+v, %v", again, err)
	}

	// Lines are removed, files stay until they are pruned.
	if _, err := export(t, newFake(after), tree, nil); err != nil {
		t.Fatal(err)
	}
	if lines, files = checkTree(t, tree); len(lines) != 4 || len(files) != 9 {
		t.Errorf("the tree has lines %q and files %q", lines, files)
	}
	s, err := export(t, newFake(after), tree, prune)
	if err != nil || s.Pruned != 4 {
		t.Errorf("pruned %d, %v", s.Pruned, err)
	}
	wantAfter(t, tree)
}

// H17: a version that was published again has another line and a file of the same name,
// here even of the same size.
func TestH17PublishedAgain(t *testing.T) {
	tree, m := durabletest.NewMem(), newFake(before)
	if _, err := export(t, m, tree, nil); err != nil {
		t.Fatal(err)
	}
	m.another = crate.ID{Name: "foo", Version: "1.1.0"}
	s, err := export(t, m, tree, nil)
	if err != nil || s.Copied != 1 || s.Kept != 4 {
		t.Errorf("%+v, %v", s, err)
	}
	checkTree(t, tree)
}

// republished is the mirror of after, in which a version has other bytes than before.
func republished() *fake {
	m := newFake(after)
	m.another = crate.ID{Name: "foo", Version: "1.0.0"}
	return m
}

// TestAsOf: a tree is of one point in time.
func TestAsOf(t *testing.T) {
	asOf := func(commit string) func(*Config) { return func(cfg *Config) { cfg.AsOf = commit } }
	one, two := strings.Repeat("1", 40), strings.Repeat("2", 40)
	tree := durabletest.NewMem()
	for _, step := range []struct {
		commit, want string
		mirror       *fake
	}{
		{one, "", newFake(before)},
		{one, "", newFake(before)}, // again
		{two, "the tree is of the index at commit \"" + one + "\", and would be mixed with the index at commit \"" + two + "\": give another folder", newFake(after)},
		{"", "the tree is of the index at commit \"" + one + "\", and would be mixed with the index as it is now: give another folder", newFake(after)},
	} {
		_, err := export(t, step.mirror, tree, asOf(step.commit))
		if step.want == "" && err != nil || step.want != "" && (err == nil || err.Error() != step.want) {
			t.Errorf("as of %q: %v, want %q", step.commit, err, step.want)
		}
		if lines, files := checkTree(t, tree); len(lines) != 5 || len(files) != 7 {
			t.Errorf("as of %q: the tree has lines %q and files %q", step.commit, lines, files)
		}
	}
	now := durabletest.NewMem()
	if _, err := export(t, newFake(after), now, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := export(t, newFake(before), now, asOf(one)); !errors.As(err, new(*PointError)) {
		t.Errorf("over a tree of now: %v", err)
	}
}

// H5, H13: a crate that cannot be served loses its line; all others are exported.
func TestH5H13Damaged(t *testing.T) {
	for name, damage := range map[string]func(f *fake, id crate.ID){
		"told by the mirror":   func(f *fake, id crate.ID) { f.damaged = id },
		"seen as it is copied": func(f *fake, id crate.ID) { f.wrong = id },
	} {
		tree, m := durabletest.NewMem(), newFake(before)
		damage(m, crate.ID{Name: "foo", Version: "1.1.0"})
		s, err := export(t, m, tree, nil)
		if err != nil || s.Damaged != 1 || len(s.Problems) != 1 || !strings.Contains(s.Problems[0].Error(), "foo 1.1.0") {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
		if lines, files := checkTree(t, tree); len(lines) != 4 || len(files) != 6 {
			t.Errorf("%s: the tree has lines %q and files %q", name, lines, files)
		}
	}
}

// A mirror that has lost most of its crates does not empty an export.
func TestShrink(t *testing.T) {
	tree := durabletest.NewMem()
	if _, err := export(t, newFake(before), tree, nil); err != nil {
		t.Fatal(err)
	}
	unasked := func(cfg *Config) { cfg.AcceptShrink = false }
	if _, err := export(t, newFake("foo 1.0.0"), tree, unasked); err == nil || !strings.Contains(err.Error(), "2 of the 3 crates") {
		t.Errorf("two of three crates gone: %v", err)
	}
	if _, err := export(t, newFake(""), tree, nil); !errors.Is(err, ErrEmpty) {
		t.Errorf("all gone: %v", err)
	}
	for _, name := range []string{"index/go/ne/gone", "index/3/b/bar"} {
		if _, err := tree.Stat(name); err != nil {
			t.Error(err)
		}
	}
}

// A folder that is not an export is not touched.
func TestForeignFolder(t *testing.T) {
	tree := durabletest.NewMem()
	if err := durable.WriteFile(tree, "precious", nil); err != nil {
		t.Fatal(err)
	}
	if _, err := export(t, newFake(before), tree, nil); !errors.Is(err, ErrForeign) {
		t.Errorf("got %v", err)
	}
	if entries, _ := tree.ReadDir("."); len(entries) != 1 {
		t.Errorf("%d things are there", len(entries))
	}
}

// Whenever the power fails, every line on the disk leads to its bytes, and the next run
// completes the tree.
func TestC3PowerCuts(t *testing.T) {
	crashes := 20 // after each operation
	if !*durabletest.Thorough {
		crashes = 4
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	for _, noSyncAll := range []bool{false, true} {
		tree := durabletest.NewMem()
		tree.NoSyncAll = noSyncAll
		if _, err := export(t, newFake(before), tree, nil); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		var crashed []*durabletest.Mem
		rnd := rand.New(rand.NewPCG(seed, 2))
		hooked := durabletest.Hook(tree, func(durabletest.Op) durabletest.Fault {
			mu.Lock()
			defer mu.Unlock()
			for range crashes {
				crashed = append(crashed, tree.Crash(rnd))
			}
			return durabletest.Fault{}
		})
		if _, err := export(t, republished(), hooked, prune); err != nil {
			t.Fatal(err)
		}
		for _, disk := range append(crashed, tree.Crash(rnd)) {
			checkTree(t, disk)
			if _, err := export(t, republished(), disk, prune); err != nil {
				t.Fatal(err)
			}
			wantAfter(t, disk)
			if t.Failed() {
				t.FailNow()
			}
		}
		wantAfter(t, tree.Crash(rnd))
	}
}

// Whatever fails, no line is without its bytes, the failure is reported, and the next run
// repairs it.
func TestC7DiskFails(t *testing.T) {
	for _, fault := range []error{durable.ErrNoSpace, errors.New("odd")} {
		for n := 1; ; n++ {
			tree := durabletest.NewMem()
			if _, err := export(t, newFake(before), tree, nil); err != nil {
				t.Fatal(err)
			}
			hooked := durabletest.FailAt(tree, n, fault, false, false)
			s, err := export(t, republished(), hooked, prune)
			if hooked.Ops() < n {
				if n < 40 {
					t.Errorf("an export is %d operations: the test has lost its grip", n)
				}
				break
			}
			told := err != nil || s.Failed > 0
			lines, _ := checkTree(t, tree)
			slices.Sort(lines)
			if !told && !slices.Equal(lines, wantLines) {
				t.Errorf("%v at operation %d: nobody is told that the tree has %q", fault, n, lines)
			}
			if _, err := export(t, newFake(after), tree, prune); err != nil {
				t.Fatal(fmt.Errorf("after %v at operation %d: %w", fault, n, err))
			}
			wantAfter(t, tree)
		}
	}
}
