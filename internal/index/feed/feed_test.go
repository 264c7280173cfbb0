package feed_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/feed"
)

const rss = `<?xml version="1.0" encoding="utf-8"?><rss version="2.0" xmlns:atom="http://www.w3.org/2005/Atom" xmlns:crates="https://crates.io/">
<channel><title>crates.io: recent updates</title>
<atom:link rel="self" href="https://static.crates.io/rss/updates.xml"/>%s</channel></rss>`

func TestReadRSS(t *testing.T) {
	item := func(name, version, date string) string {
		return fmt.Sprintf("<item><title>New &amp; %[1]s</title><description><![CDATA[<item>]]></description><guid>x</guid><pubDate>%[3]s</pubDate><crates:name>%[1]s</crates:name><crates:version>%[2]s</crates:version></item>", name, version, date)
	}
	const date = "Fri, 27 Nov 2026 10:00:00 +0000"
	at := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name, text string
		want       []feed.Item
		err        string
	}{
		{"two", fmt.Sprintf(rss, item("serde", "1.0.0", date)+item("Ab_c", "0.1.0+x", "Fri, 27 Nov 2026 11:00:00 +0100")), []feed.Item{
			{ID: crate.ID{Name: "serde", Version: "1.0.0"}, At: at}, {ID: crate.ID{Name: "Ab_c", Version: "0.1.0+x"}, At: at}}, ""},
		{"none", fmt.Sprintf(rss, ""), nil, ""},
		{"no such name, version, date", fmt.Sprintf(rss, item("../x", "1.0.0", date)+item("a", "one", date)+item("a", "1.0.0", "today")), nil, ""},
		{"another namespace", fmt.Sprintf(strings.Replace(rss, "https://crates.io/", "https://example.com/", 1), item("a", "1.0.0", date)), nil, ""},
		{"cut off", fmt.Sprintf(rss, item("a", "1.0.0", date))[:400], nil, "unexpected EOF"},
		{"a page", "<html><body>Sorry</body></html>", nil, "EOF"},
		{"nothing", "", nil, "EOF"},
	} {
		got, err := feed.ReadRSS(strings.NewReader(tt.text))
		items := got.Items
		same := slices.EqualFunc(items, tt.want, func(a, b feed.Item) bool { return a.ID == b.ID && a.At.Equal(b.At) })
		if !same || (tt.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, %v; want %v, %q", tt.name, items, err, tt.want, tt.err)
		}
	}
}

func FuzzReadRSS(f *testing.F) {
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := feed.ReadRSS(bytes.NewReader(text))
		if err != nil && (got.Items != nil || !got.Since.IsZero()) {
			t.Error("a feed and an error")
		}
		for _, item := range got.Items {
			if item.Check() != nil {
				t.Errorf("%v is no version", item)
			}
		}
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := got.Write(&again, "a title"); err != nil {
			t.Fatal(err)
		}
		if read, err := feed.ReadRSS(&again); err != nil || !sameItems(read.Items, got.Items) {
			t.Errorf("written and read again, %v are %v, %v", got, read, err)
		}
	})
}

func sameItems(a, b []feed.Item) bool {
	return slices.EqualFunc(a, b, func(a, b feed.Item) bool { return a.ID == b.ID && a.At.Equal(b.At) })
}

// What a mirror writes says from when on nothing is left out, also without an item; of
// other feeds that is the oldest item.
func TestSince(t *testing.T) {
	at := time.Date(2026, 11, 27, 10, 0, 0, 0, time.UTC)
	items := []feed.Item{{ID: crate.ID{Name: "a", Version: "1.0.0+b"}, At: at.Add(time.Hour)}, {ID: crate.ID{Name: "b", Version: "1.0.0"}, At: at}}
	for _, want := range []feed.Feed{{Items: items, Since: at.Add(-time.Hour)}, {Since: at}, {Items: items}} {
		var text bytes.Buffer
		if err := want.Write(&text, "<new> & old"); err != nil {
			t.Fatal(err)
		}
		got, err := feed.ReadRSS(&text)
		if want.Since.IsZero() {
			want.Since = at
		}
		if err != nil || !sameItems(got.Items, want.Items) || !got.Since.Equal(want.Since) {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	}
}

func collect(names *[]string) func(string) error {
	return func(name string) error { *names = append(*names, name); return nil }
}

func TestEachInList(t *testing.T) {
	var names []string
	err := feed.EachInList(strings.NewReader("serde@1 # the one\n\n# none\n tokio \r\nab\n"), collect(&names))
	if want := []string{"serde", "tokio", "ab"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("%v, %v; want %v", names, err, want)
	}
	if err := feed.EachInList(strings.NewReader("ok\n../x\n"), collect(&names)); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a name that is none: %v", err)
	}
}

// dump makes a database dump.
func dump(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, name := range []string{"2026-11-27-020000/metadata.json", "2026-11-27-020000/data/crates_categories.csv", "2026-11-27-020000/data/crates.csv"} {
		if content, ok := files[filepath.Base(name)]; ok {
			w.WriteHeader(&tar.Header{Name: name, Size: int64(len(content)), Mode: 0o644, ModTime: time.Unix(1795744800, 0)})
			w.Write([]byte(content))
		}
	}
	w.Close()
	z.Close()
	return b.Bytes()
}

func TestEachInDump(t *testing.T) {
	const csv = "created_at,description,id,name\n2026,\"two\nlines, \"\"quoted\"\"\",1,serde\n2026,,2,Ab_c\n"
	whole := dump(t, map[string]string{"metadata.json": "{}", "crates_categories.csv": "name\nno\n", "crates.csv": csv})
	for _, tt := range []struct {
		name string
		file []byte
		want []string
		err  string
	}{
		{"whole", whole, []string{"serde", "Ab_c"}, ""},
		{"without the table", dump(t, map[string]string{"metadata.json": "{}"}), nil, "no crates.csv"},
		{"without the column", dump(t, map[string]string{"crates.csv": "id\n1\n"}), nil, `no column "name"`},
		{"a bad name", dump(t, map[string]string{"crates.csv": "name\na/b\n"}), nil, "crates.csv: line 1"},
		{"an endless line", dump(t, map[string]string{"crates.csv": "name\n\"" + strings.Repeat("x", 2<<20)}), nil, "a line has more than"},
		{"cut off", whole[:len(whole)-40], nil, "unexpected EOF"},
		{"a page", []byte("<html>Sorry</html>"), nil, "gzip"},
	} {
		var names []string
		made, err := feed.EachInDump(bytes.NewReader(tt.file), collect(&names))
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: %v, want %q", tt.name, err, tt.err)
			}
			continue
		}
		if err != nil || !slices.Equal(names, tt.want) || made.Unix() != 1795744800 {
			t.Errorf("%s: %v of %v, %v", tt.name, names, made, err)
		}
	}
}

func TestEachInIndex(t *testing.T) {
	dir := t.TempDir()
	for _, p := range []string{"se/rd/serde", "1/a", "README"} {
		file := filepath.Join(dir, filepath.FromSlash(p))
		os.MkdirAll(filepath.Dir(file), 0o755)
		if err := os.WriteFile(file, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var names []string
	if _, err := feed.EachInIndex(t.Context(), dir, collect(&names)); err != nil || !slices.Equal(names, []string{"a", "serde"}) {
		t.Errorf("%v, %v", names, err)
	}
}
