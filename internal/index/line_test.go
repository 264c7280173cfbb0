package index

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/indextest"
)

func TestParseLine(t *testing.T) {
	deep := strings.Repeat("[", 9000) + strings.Repeat("]", 9000)
	for name, raw := range map[string]string{
		"plain":                        indextest.Line("serde", "1.0.0", indextest.Sum("a")),
		"A5 upper-case checksum":       indextest.Line("serde", "1.0.0", indextest.Sum("A")),
		"A10 spaces and CR around":     "  " + indextest.Line("serde", "1.0.0", indextest.Sum("a")) + " \t\r",
		"A13 escapes":                  `{"n\u0061me":"\u0073erde","vers":"1.0\u002e0","cksum":"` + indextest.Sum("a") + `","yanked":false}`,
		"A13 deep":                     `{"deps":` + deep + `,"name":"serde","vers":"1.0.0","cksum":"` + indextest.Sum("a") + `","yanked":false}`,
		"A25 yanked is absent":         strings.Replace(indextest.Line("serde", "1.0.0", indextest.Sum("a")), `,"yanked":false`, "", 1),
		"A25 yanked is null":           strings.Replace(indextest.Line("serde", "1.0.0", indextest.Sum("a")), "false", "null", 1),
		"A25 nothing but what counts":  `{"name":"serde","vers":"1.0.0","cksum":"` + indextest.Sum("a") + `"}`,
		"A14 future":                   `{"v":3,"features3":{"a":1},"name":"serde","vers":"1.0.0","cksum":"` + indextest.Sum("a") + `","yanked":false}`,
		"A14 unknown field twice":      `{"x":1,"x":2,"name":"serde","vers":"1.0.0","cksum":"` + indextest.Sum("a") + `","yanked":false}`,
		"other case is another field":  `{"NAME":"evil","name":"serde","vers":"1.0.0","cksum":"` + indextest.Sum("a") + `","yanked":false,"Vers":"6.6.6"}`,
		"inner field of the same name": `{"deps":[{"name":"evil","name":"x"}],"name":"serde","vers":"1.0.0","cksum":"` + indextest.Sum("a") + `","yanked":false}`,
	} {
		e, err := ParseLine([]byte(raw))
		want := crate.ID{Name: "serde", Version: "1.0.0"}
		if err != nil || e.ID != want || e.Checksum.String() != indextest.Sum("a") || e.Yanked || string(e.Raw) != raw {
			t.Errorf("%s: %v %v %v, %v", name, e.ID, e.Checksum, e.Yanked, err)
		}
	}
	e, err := ParseLine([]byte(strings.Replace(indextest.Line("a", "1.0.0", indextest.Sum("a")), "false", "true", 1)))
	if err != nil || !e.Yanked {
		t.Errorf("yanked: %v, %v", e.Yanked, err)
	}
}

func TestParseLineRejects(t *testing.T) {
	known := crate.ID{Name: "serde", Version: "1.0.0"}
	good := indextest.Line(known.Name, known.Version, indextest.Sum("a"))
	replace := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	for _, tt := range []struct {
		row, raw string
		id       crate.ID
		want     string
	}{
		{"A1", indextest.Line("..", "1.0.0", indextest.Sum("a")), crate.ID{}, `crate name ".." has a character outside [A-Za-z0-9_-]`},
		{"A1", indextest.Line("../../etc", "1.0.0", indextest.Sum("a")), crate.ID{}, `crate name "../../etc" has a character outside [A-Za-z0-9_-]`},
		{"A1", indextest.Line(`c:\x`, "1.0.0", indextest.Sum("a")), crate.ID{}, `crate name "c:\\x" has a character outside [A-Za-z0-9_-]`},
		{"A1", indextest.Line("%2e%2e", "1.0.0", indextest.Sum("a")), crate.ID{}, `crate name "%2e%2e" has a character outside [A-Za-z0-9_-]`},
		{"A2", indextest.Line("serde", "1/../x", indextest.Sum("a")), crate.ID{}, `version "1/../x" is not a semantic version`},
		{"A2", indextest.Line("serde", "1.0.0 ", indextest.Sum("a")), crate.ID{}, `version "1.0.0 " is not a semantic version`},
		{"A2", replace("1.0.0", `1.0.0\u0000`), crate.ID{}, `version "1.0.0\x00" is not a semantic version`},
		{"A4", replace(`"cksum":"`+indextest.Sum("a")+`",`, ""), known, `field "cksum" is missing`},
		{"A4", replace(indextest.Sum("a"), ""), known, `checksum "" has 0 characters, want 64 hexadecimal digits`},
		{"A5", replace(indextest.Sum("a"), "abc"), known, `checksum "abc" has 3 characters, want 64 hexadecimal digits`},
		{"A5", replace(indextest.Sum("a"), indextest.Sum("g")), known, `checksum "` + indextest.Sum("g") + `" is not hexadecimal`},
		{"A9", good[:len(good)-10], known, `byte 135: unexpected EOF`},
		{"A9", good + "}", known, `byte 145: something follows the JSON object`},
		{"A9", good + good, known, `byte 145: something follows the JSON object`},
		{"A9", "[" + good + "]", crate.ID{}, `not a JSON object`},
		{"A9", "null", crate.ID{}, `not a JSON object`},
		{"A9", "", crate.ID{}, `unexpected EOF`},
		{"A9", "<html>", crate.ID{}, `byte 0: invalid character '<' at start of value`},
		{"A11", replace("serde", "ser\x00de"), crate.ID{}, `byte 12: invalid character '\x00'`},
		{"A11", replace(`"deps":[]`, `"deps":["`+"\xff"+`"]`), known, `byte 40: invalid UTF-8`},
		{"A11", replace(`"deps":[]`, `"deps":["\ud800"]`), known, `byte 40: invalid surrogate pair`},
		{"A12", replace(`"deps":[]`, `"deps":["`+strings.Repeat("x", MaxLine)+`"]`), crate.ID{}, `line has 16777363 bytes, want at most 16777216`},
		{"A13", replace("false", `"true"`), known, `field "yanked" is of JSON kind string, want true or false`},
		{"A13", replace(`"1.0.0"`, `100`), crate.ID{}, `field "vers" is of JSON kind number, want a string`},
		{"A13", replace(`"serde"`, `{}`), crate.ID{}, `field "name" is of JSON kind {, want a string`},
		{"A13", replace(`{"name":"serde",`, `{`), crate.ID{}, `field "name" is missing`},
		{"A13", replace(`"vers":"1.0.0",`, ``), crate.ID{}, `field "vers" is missing`},
		{"A13", replace(`"deps":[]`, `"deps":`+strings.Repeat("[", 1e6)), known, `byte 10037: exceeded max depth`},
		{"A13", replace(`"features"`, `"name":"evil","features"`), known, `field "name" is there twice`},
		{"A13", replace(`"features"`, `"deps":[],"features"`), known, `field "deps" is there twice`},
	} {
		e, err := ParseLine([]byte(tt.raw))
		if err == nil {
			t.Errorf("%s: %.200s: no error", tt.row, tt.raw)
			continue
		}
		// What the JSON decoder says after that differs between its releases.
		if e.ID != tt.id || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %.200s:\n got %v: %v\nwant %v: %s", tt.row, tt.raw, e.ID, err, tt.id, tt.want)
		}
	}
}

func FuzzIndexLine(f *testing.F) {
	f.Add([]byte(indextest.Line("serde", "1.0.0", indextest.Sum("a"))))
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		e, err := ParseLine(raw)
		if !bytes.Equal(raw, before) {
			t.Fatalf("parsing changed the line to %q", raw)
		}
		if !bytes.Equal(e.Raw, raw) {
			t.Errorf("Raw = %q", e.Raw)
		}
		if e.ID != (crate.ID{}) && e.Check() != nil {
			t.Errorf("ID %q is not acceptable: %v", e.ID, e.Check())
		}
		if err != nil {
			if len(err.Error()) > 1000 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		if e.ID == (crate.ID{}) {
			t.Error("neither ID nor error")
		}
		// The same line, found in a file, is that one entry.
		if bytes.ContainsAny(raw, "\r\n") {
			return
		}
		c, _ := readOne(e.Name, string(raw)+"\n")
		if len(c.Entries) != 1 || c.Entries[0].ID != e.ID || !bytes.Equal(c.Entries[0].Raw, raw) {
			t.Errorf("in a file it is %v, bad %v", c.Entries, c.Bad)
		}
	})
}

// TestSample reads real index files and compares them byte for byte with what
// their entries say.
func TestSample(t *testing.T) {
	dir := os.Getenv("CLONECRATESIO_INDEX_SAMPLE")
	if dir == "" {
		dir = filepath.FromSlash("../../../shared/index-sample")
	}
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no real index files: CLONECRATESIO_INDEX_SAMPLE names no folder with some")
	}
	files, versions := 0, 0
	for c, err := range openIndex(t, dir, nil).Crates(t.Context(), nil) {
		if err != nil {
			t.Fatal(err)
		}
		if c.Err != nil || len(c.Bad) > 0 {
			t.Errorf("%s: %v %v", c.Path, c.Err, c.Bad)
		}
		want, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(c.Path)))
		if err != nil {
			t.Fatal(err)
		}
		var got []byte
		for _, e := range c.Entries {
			got = append(append(got, e.Raw...), '\n')
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s does not come back byte for byte", c.Path)
		}
		files++
		versions += len(c.Entries)
	}
	t.Logf("%d files, %d versions", files, versions)
	if files == 0 || versions < files {
		t.Error("that is no sample of an index")
	}
}
