package browse

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

var id = crate.ID{Name: "demo", Version: "1.0.0"}

type entry struct{ name, content string }

// pack makes a crate file with these files below the folder of id. Names that begin with
// "/" are taken as they are; those that end with "@" become links.
func pack(t testing.TB, files ...entry) []byte {
	t.Helper()
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	for _, f := range files {
		h := &tar.Header{Name: id.Name + "-" + id.Version + "/" + f.name, Mode: 0o644, Size: int64(len(f.content))}
		if name, ok := strings.CutPrefix(f.name, "/"); ok {
			h.Name = name
		}
		if strings.HasSuffix(f.name, "@") {
			h.Typeflag, h.Linkname = tar.TypeSymlink, "/etc/passwd"
		}
		if err := errors.Join(tw.WriteHeader(h), second(io.WriteString(tw, f.content))); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(tw.Close(), zw.Close()); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func second(_ int, err error) error { return err }

// content is a crate file in memory.
type content struct {
	*bytes.Reader
	closed *int
}

func (c content) Close() error {
	if c.closed != nil {
		*c.closed++
	}
	return nil
}

func open(data []byte) Crate {
	return Crate{Key: crate.Key{ID: id, Checksum: sha256.Sum256(data)}, Content: content{bytes.NewReader(data), nil}}
}

func paths(t *Tree) (all []string) {
	for _, f := range t.Files {
		all = append(all, fmt.Sprintf("%s %d %d", f.Path, f.Size, f.Copies))
	}
	return all
}

func TestTree(t *testing.T) {
	data := pack(t,
		entry{"src/lib.rs", "first"},
		entry{"Cargo.toml", "[package]\nreadme = \"docs/./intro.md\"\n"},
		entry{"docs/intro.md", "# demo"},
		entry{"README.md", "another"},
		entry{"link@", ""},
		entry{"../escape", "x"},
		entry{"/etc/passwd", "root"},
		entry{"src/lib.rs", "second"},
	)
	b := New()
	tree, err := b.Tree(t.Context(), open(data))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"Cargo.toml 37 1", "README.md 7 1", "docs/intro.md 6 1", "src/lib.rs 6 2"}
	if diff := cmp.Diff(want, paths(tree)); diff != "" {
		t.Error(diff)
	}
	if tree.Left != 3 || tree.Readme != "docs/intro.md" || tree.Size != 37+7+6+6 {
		t.Errorf("left %d, readme %q, %d bytes", tree.Left, tree.Readme, tree.Size)
	}
	f, text, err := b.Read(t.Context(), open(data), "src/lib.rs", 100)
	if err != nil || string(text) != "second" || f.Copies != 2 {
		t.Errorf("of two files of a name, cargo has the last: %q, %v", text, err)
	}
	if _, readme, err := b.Readme(t.Context(), open(data), 100); err != nil || string(readme) != "# demo" {
		t.Errorf("%q, %v", readme, err)
	}
	if f, _, err := b.Read(t.Context(), open(data), "src/lib.rs", 5); !errors.Is(err, ErrLarge) || f.Size != 6 {
		t.Errorf("%v, %v", f, err)
	}
	for _, name := range []string{"", "src", "src/", "../escape", "/etc/passwd", "link@", "src/LIB.rs"} {
		if _, _, err := b.Read(t.Context(), open(data), name, 100); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

func TestReadmeOf(t *testing.T) {
	for want, files := range map[string][]entry{
		"Readme.MD":  {{"Readme.MD", "x"}, {"README", "y"}},
		"README":     {{"README", "y"}, {"a.md", "z"}, {"Cargo.toml", "[package]\nreadme = 'gone.md'"}},
		"a.md":       {{"README", "y"}, {"a.md", "z"}, {"Cargo.toml", "[package]\nreadme = 'a.md'"}},
		"README.txt": {{"README.txt", "y"}, {"Cargo.toml", strings.Repeat("not TOML ", 1<<18)}},
		"":           {{"docs/README.md", "y"}},
	} {
		tree, err := New().Tree(t.Context(), open(pack(t, files...)))
		if err != nil || tree.Readme != want {
			t.Errorf("%q, %v, want %q", tree.Readme, err, want)
		}
	}
}

// What is shown of an archive is bounded, and omissions are reported.
func TestTreeIsBounded(t *testing.T) {
	var files []entry
	for n := range MaxFiles + 10 { // some 30 MB of headers
		files = append(files, entry{fmt.Sprintf("f%05d", n), ""})
	}
	tree, err := New().Tree(t.Context(), open(pack(t, files...)))
	if err != nil || len(tree.Files) != MaxFiles || tree.Left != 10 {
		t.Errorf("%d files, %d left out, %v", len(tree.Files), tree.Left, err)
	}
	files = nil
	for n := range 3000 {
		files = append(files, entry{fmt.Sprintf("%04d%s", n, strings.Repeat("/x", 250)), ""})
	}
	tree, err = New().Tree(t.Context(), open(pack(t, files...)))
	if err != nil || tree.Left != 3000-maxPaths/504 {
		t.Errorf("%d files of long names, %d left out, %v", len(tree.Files), tree.Left, err)
	}
}

// An archive that cannot be parsed gives an error that names the crate; waiting ends with
// the context; and every input is closed.
func TestBad(t *testing.T) {
	good := pack(t, entry{"a", "b"})
	closed := 0
	b := New()
	for want, data := range map[string][]byte{
		"reading what is in demo 1.0.0: the crate file is empty":                  {},
		"reading what is in demo 1.0.0: unpacking: the crate file ends too early": good[:len(good)/2],
		"reading what is in demo 1.0.0: unpacking: gzip: invalid header":          []byte(strings.Repeat("not gzip", 9)),
	} {
		c := open(data)
		c.Content = content{bytes.NewReader(data), &closed}
		if _, err := b.Tree(t.Context(), c); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
	for len(b.cores) < cap(b.cores) {
		b.cores <- struct{}{}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	c := open(good)
	c.Content = content{bytes.NewReader(good), &closed}
	if _, err := b.Tree(ctx, c); !errors.Is(err, context.Canceled) || closed != 4 {
		t.Errorf("%v; %d of 4 are closed", err, closed)
	}
}

func lines(ch *Change) (all []string) {
	for _, h := range ch.Hunks {
		for _, l := range h.Lines {
			all = append(all, fmt.Sprintf("%s%d,%d %s", l.Mark, l.Old, l.New, l.Text))
		}
	}
	return all
}

func TestCompare(t *testing.T) {
	before := pack(t, entry{"Cargo.toml", "a\n"}, entry{"gone", "x\n"}, entry{"same", "s"}, entry{"src/lib.rs", "1\n2\n3\n4\n5\nsix\n7\n"}, entry{"bin", "\x00a"},
		entry{"big", strings.Repeat("x", maxText+1)})
	after := pack(t, entry{"Cargo.toml", "b\n"}, entry{"new", "y"}, entry{"same", "s"}, entry{"src/lib.rs", "1\n2\n3\n4\n5\n6\n7\n"}, entry{"bin", "\x00b"},
		entry{"big", "x"})
	b := New()
	c, err := b.Compare(t.Context(), open(before), open(after), "")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for i := range c.Changes {
		ch := &c.Changes[i]
		got = append(got, fmt.Sprintf("%s +%d -%d %s", ch.Path, ch.Added, ch.Removed, ch.Why))
		got = append(got, lines(ch)...)
	}
	want := []string{
		"Cargo.toml +1 -1 ", "-1,0 a", "+0,1 b",
		"big +0 -0 too large to compare", "bin +0 -0 not text",
		"gone +0 -1 ", "-1,0 x", "new +1 -0 ", "+0,1 y",
		"src/lib.rs +1 -1 ", " 3,3 3", " 4,4 4", " 5,5 5", "-6,0 six", "+0,6 6", " 7,7 7",
	}
	if diff := cmp.Diff(want, got); diff != "" || c.Same != 1 {
		t.Errorf("%d alike\n%s", c.Same, diff)
	}
	c, err = b.Compare(t.Context(), open(before), open(after), "new")
	if err != nil || len(c.Changes) != 1 || c.Changes[0].Path != "new" || c.Same != 0 {
		t.Errorf("%+v, %v", c, err)
	}
}

// Whatever the crates contain, a comparison takes a bounded time and shows a bounded
// result, which says what it omits.
func TestCompareIsBounded(t *testing.T) {
	text := func(word string) string {
		var b strings.Builder
		for n := range maxFileLines {
			fmt.Fprintf(&b, "%s%d\n", word, n)
		}
		return b.String()
	}
	var before, after []entry
	for n := range 40 {
		name := fmt.Sprintf("f%02d", n)
		before, after = append(before, entry{name, text("a")}), append(after, entry{name, text("b")})
	}
	for n := range maxChanges {
		after = append(after, entry{fmt.Sprintf("g%04d", n), "x\n"})
	}
	c, err := New().Compare(t.Context(), open(pack(t, before...)), open(pack(t, after...)), "")
	if err != nil || len(c.Changes) != maxChanges || c.More != 40 {
		t.Fatalf("%d changes and %d more, %v", len(c.Changes), c.More, err)
	}
	shown := 0
	for i := range c.Changes {
		shown += c.Changes[i].shown()
	}
	late := slices.IndexFunc(c.Changes, func(ch Change) bool { return strings.HasPrefix(ch.Why, "not compared") })
	if shown > maxLines || c.Changes[0].shown() != maxFileLines || c.Changes[0].Why != "not all lines are shown" || late != maxLines/maxFileLines {
		t.Errorf("%d lines, %d and %q of the first, not compared from %d on", shown, c.Changes[0].shown(), c.Changes[0].Why, late)
	}
}

func FuzzTree(f *testing.F) {
	good := pack(f, entry{"Cargo.toml", "[package]\nreadme = 'a'"}, entry{"a", "x"}, entry{"a", "y"}, entry{"../b", ""}, entry{"l@", ""})
	f.Add(good)
	f.Add(good[:len(good)-9])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, data []byte) {
		tree, err := list(bytes.NewReader(data), id, int64(len(data)))
		if err != nil {
			return
		}
		for i := range tree.Files {
			want := &tree.Files[i]
			contents, err := tree.read(bytes.NewReader(data), int64(len(data)), []*File{want})
			if err != nil || sha256.Sum256(contents[want.Path]) != want.Sum || !fs.ValidPath(want.Path) {
				t.Fatalf("%q: %v", want.Path, err)
			}
		}
	})
}
