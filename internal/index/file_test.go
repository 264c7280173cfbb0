package index

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
)

func TestFile(t *testing.T) {
	a, b := indextest.Sum("a"), indextest.Sum("b")
	v1, v2, v3 := indextest.Line("serde", "1.0.0", a), indextest.Line("serde", "2.0.0", b), indextest.Line("serde", "3.0.0", b)
	entry := func(line int, version, sum, raw string) string {
		return fmt.Sprintf(" %d serde %s %.1s false %q", line, version, sum, raw)
	}
	for _, tt := range []struct {
		row, content string
		want         []string
	}{
		{"empty file", "", nil},
		{"plain", v1 + "\n" + v2 + "\n", []string{entry(1, "1.0.0", a, v1), entry(2, "2.0.0", b, v2)}},
		{"A3 another crate", v1 + "\n" + indextest.Line("evil", "1.0.0", a) + "\n" + v2 + "\n", []string{
			entry(1, "1.0.0", a, v1), entry(3, "2.0.0", b, v2),
			` bad se/rd/serde:2: evil 1.0.0: the crate name does not match this index file`,
		}},
		{"A4 costs the line", indextest.Line("serde", "1.0.0", "") + "\n" + v2 + "\n", []string{
			entry(2, "2.0.0", b, v2),
			` bad se/rd/serde:1: serde 1.0.0: checksum "" has 0 characters, want 64 hexadecimal digits`,
		}},
		{"A6 same checksum", v1 + "\n" + v2 + "\n" + v1 + " \n", []string{
			entry(2, "2.0.0", b, v2), entry(3, "1.0.0", a, v1+" "),
		}},
		{"A7 other checksum", v1 + "\n" + v2 + "\n" + indextest.Line("serde", "1.0.0", b) + "\n" + v3, []string{
			entry(2, "2.0.0", b, v2), entry(3, "1.0.0", b, indextest.Line("serde", "1.0.0", b)), entry(4, "3.0.0", b, v3),
			` bad se/rd/serde:1: serde 1.0.0: line 3 has the same version with another checksum, and wins`,
		}},
		{"A9 torn last line", v1 + "\n" + v2[:30], []string{
			entry(1, "1.0.0", a, v1),
			` bad se/rd/serde:2: serde 2.0.0: byte 30: unexpected EOF`,
		}},
		{"A9 no last newline", v1, []string{entry(1, "1.0.0", a, v1)}},
		{"A10 line ends", v1 + "\r\n\r\n \n" + v2 + " \r\n", []string{
			entry(1, "1.0.0", a, v1), entry(4, "2.0.0", b, v2+" "),
		}},
		{"A11 NUL", v1 + "\n\x00\n" + v2 + "\n", []string{
			entry(1, "1.0.0", a, v1), entry(3, "2.0.0", b, v2),
			` bad se/rd/serde:2: byte 0: invalid character '\x00' at start of value`,
		}},
		{"A20 names that differ in case", v1 + "\n" + indextest.Line("Serde", "1.0.0", b) + "\n" + indextest.Line("SERDE", "2.0.0", b), []string{
			entry(1, "1.0.0", a, v1), fmt.Sprintf(" 3 SERDE 2.0.0 b false %q", indextest.Line("SERDE", "2.0.0", b)),
			` bad se/rd/serde:2: Serde 1.0.0: collides with serde 1.0.0 of line 1 where file names ignore case`,
		}},
		{"A20 versions that differ in case", indextest.Line("serde", "1.0.0-RC", a) + "\n" + indextest.Line("serde", "1.0.0-rc", b), []string{
			entry(1, "1.0.0-RC", a, indextest.Line("serde", "1.0.0-RC", a)),
			` bad se/rd/serde:2: serde 1.0.0-rc: collides with serde 1.0.0-RC of line 1 where file names ignore case`,
		}},
		{"build metadata is identity", indextest.Line("serde", "1.0.0+1", a) + "\n" + indextest.Line("serde", "1.0.0+2", b), []string{
			entry(1, "1.0.0+1", a, indextest.Line("serde", "1.0.0+1", a)), entry(2, "1.0.0+2", b, indextest.Line("serde", "1.0.0+2", b)),
		}},
	} {
		c, log := readOne("serde", tt.content)
		if diff := cmp.Diff(tt.want, describe(c)[1:], cmpEmpty); diff != "" || log != "" {
			t.Errorf("%s: -want +got, log %q\n%s", tt.row, log, diff)
		}
	}
}

var cmpEmpty = cmp.Transformer("nil", func(s []string) []string {
	if len(s) == 0 {
		return nil
	}
	return s
})

func TestA10ByteOrderMark(t *testing.T) {
	v1 := indextest.Line("serde", "1.0.0", indextest.Sum("a"))
	c, log := readOne("serde", "\ufeff"+v1+"\n")
	if len(c.Entries) != 1 || string(c.Entries[0].Raw) != v1 || len(c.Bad) != 0 {
		t.Errorf("got %v, bad %v", c.Entries, c.Bad)
	}
	if !strings.Contains(log, "level=WARN") || !strings.Contains(log, "path=se/rd/serde") {
		t.Errorf("log: %s", log)
	}
}

func TestA12LongLineCostsItself(t *testing.T) {
	v1, v3 := indextest.Line("serde", "1.0.0", indextest.Sum("a")), indextest.Line("serde", "3.0.0", indextest.Sum("a"))
	c, _ := readOne("serde", v1+"\n"+strings.Repeat("x", MaxLine+1)+"\n"+v3+"\n")
	if len(c.Entries) != 2 || c.Entries[1].Line != 3 || len(c.Bad) != 1 {
		t.Fatalf("%d entries, bad %v", len(c.Entries), c.Bad)
	}
	if got, want := c.Bad[0].Error(), "se/rd/serde:2: line has 16777217 bytes, want at most 16777216"; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestA13ManyVersions(t *testing.T) {
	const n = 50_000
	var content bytes.Buffer
	for i := range n {
		fmt.Fprintln(&content, indextest.Line("serde", fmt.Sprintf("0.%d.0", i), indextest.Sum("a")))
	}
	c, _ := readOne("serde", content.String())
	if len(c.Entries) != n || len(c.Bad) != 0 || c.Err != nil {
		t.Fatalf("%d entries, %d bad, %v", len(c.Entries), len(c.Bad), c.Err)
	}
	if e := c.Entries[n-1]; e.Version != "0.49999.0" || e.Line != n {
		t.Errorf("last entry %v, line %d", e.ID, e.Line)
	}
}

func TestA13ManyBadLines(t *testing.T) {
	v1 := indextest.Line("serde", "1.0.0", indextest.Sum("a"))
	c, _ := readOne("serde", v1+"\n"+strings.Repeat("x\n", maxBad))
	if len(c.Entries) != 1 || len(c.Bad) != maxBad || c.Err != nil {
		t.Errorf("%d bad: %d entries, %d bad, %v", maxBad, len(c.Entries), len(c.Bad), c.Err)
	}
	c, _ = readOne("serde", v1+"\n"+strings.Repeat("x\n", maxBad+1))
	want := "more than 10000 bad lines, the first: se/rd/serde:2: byte 0: invalid character 'x' at start of value"
	if c.Entries != nil || c.Bad != nil || c.Err == nil || c.Err.Error() != want {
		t.Errorf("one more: %d entries, %d bad, %v", len(c.Entries), len(c.Bad), c.Err)
	}
}

func TestA21DashAndUnderscoreAreDistinct(t *testing.T) {
	tree := indextest.Tree{
		"fo/o-/foo-bar": indextest.Line("foo-bar", "1.0.0", indextest.Sum("a")) + "\n",
		"fo/o_/foo_bar": indextest.Line("foo_bar", "1.0.0", indextest.Sum("b")) + "\n",
	}
	got := strings.Join(readIndex(t, openIndex(t, indextest.FolderOf(t, tree), nil), nil), "\n")
	if !strings.Contains(got, " 1 foo-bar 1.0.0 a ") || !strings.Contains(got, " 1 foo_bar 1.0.0 b ") {
		t.Error(got)
	}
	c, _ := readOne("foo-bar", indextest.Line("foo_bar", "1.0.0", indextest.Sum("a")))
	if len(c.Entries) != 0 || len(c.Bad) != 1 {
		t.Errorf("foo_bar in foo-bar's file: %v", c.Entries)
	}
}
