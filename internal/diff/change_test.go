package diff

import (
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index"
)

// file returns an index file of foo: "1.0.0 a" is a version with a checksum of that digit,
// which may be followed by fields; "bad 1.0.0" is a line of it without a checksum.
func file(lines ...string) *index.Crate {
	c := &index.Crate{File: index.File{Path: "3/f/foo"}}
	for _, line := range lines {
		if version, bad := strings.CutPrefix(line, "bad "); bad {
			c.Bad = append(c.Bad, &index.LineError{Path: c.Path, ID: crate.ID{Name: "foo", Version: version}, Err: fs.ErrInvalid})
			continue
		}
		fields := strings.SplitN(line, " ", 3)
		raw := fmt.Sprintf(`{"name":"foo","vers":%q,"cksum":%q%s}`, fields[0], strings.Repeat(fields[1], 64), strings.Join(fields[2:], ""))
		e, err := index.ParseLine([]byte(raw))
		if err != nil {
			panic(err)
		}
		c.Entries = append(c.Entries, e)
	}
	return c
}

func describe(changes []Change) (text []string) {
	for _, c := range changes {
		line := fmt.Sprintf("%s %s %.1s", c.Kind, c.Version, c.Checksum)
		if c.Was != (crate.Checksum{}) {
			line += fmt.Sprintf(" was %.1s", c.Was)
		}
		if c.Crate {
			line += " crate"
		}
		if c.Yanked {
			line += " yanked"
		}
		text = append(text, line+strings.Join(append([]string{""}, c.Fields...), " "))
	}
	return text
}

func TestCompare(t *testing.T) {
	const yanked = `,"yanked":true`
	for _, c := range []struct {
		what          string
		before, after *index.Crate
		want          []string
	}{
		{"nothing", file("1.0.0 a"), file("1.0.0 a"), nil},
		{"neither is there", nil, nil, nil},
		{"a new crate", nil, file("1.0.0 a", "1.1.0 b "+yanked), []string{"added 1.0.0 a crate", "added 1.1.0 b crate yanked"}},
		{"a crate that is gone", file("1.0.0 a", "1.1.0 b"), nil, []string{"removed 1.0.0 a crate", "removed 1.1.0 b crate"}},
		{"versions", file("1.0.0 a", "1.1.0 b "+yanked), file("1.0.0 a", "1.0.0+x a"), []string{"removed 1.1.0 b yanked", "added 1.0.0+x a"}},
		{"the order alone", file("1.0.0 a", "1.1.0 b"), file("1.1.0 b", "1.0.0 a"), nil},
		{"yanks", file("1.0.0 a", "1.1.0 b "+yanked), file("1.0.0 a "+yanked, "1.1.0 b"), []string{"yanked 1.0.0 a", "unyanked 1.1.0 b"}},
		{"other bytes", file("1.0.0 a"), file("1.0.0 b"), []string{"republished 1.0.0 b was a"}},
		{"all at once", file("1.0.0 a"), file("1.0.0 b " + yanked + `,"v":2`), []string{"republished 1.0.0 b was a", "yanked 1.0.0 b", "changed 1.0.0 b v"}},
		{"other fields", file(`1.0.0 a ,"links":"x","deps":[{"name":"y"}]`), file(`1.0.0 a ,"deps": [ {"name":"z"} ],"rust_version":"1.70"`),
			[]string{"changed 1.0.0 a deps links rust_version"}},
		{"white space alone", file("1.0.0 a"), file("1.0.0 a  "), []string{"changed 1.0.0 a"}},
		// A version that cannot be read on one side is not reported as changed.
		{"a bad line after", file("1.0.0 a", "1.1.0 b"), file("bad 1.0.0"), []string{"removed 1.1.0 b"}},
		{"a bad line before", file("bad 1.0.0"), file("1.0.0 a", "1.1.0 b"), []string{"added 1.1.0 b"}},
		{"a file that cannot be read", file("1.0.0 a"), &index.Crate{Err: fs.ErrInvalid}, nil},
	} {
		if diff := cmp.Diff(c.want, describe(Compare(c.before, c.after))); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.what, diff)
		}
	}
}

// A hostile line may have any number of fields with any names.
func TestFieldsAreBounded(t *testing.T) {
	var many strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&many, `,"%03d%s":1`, i, strings.Repeat("é", 100))
	}
	changes := Compare(file("1.0.0 a"), file("1.0.0 a "+many.String()))
	if len(changes) != 1 || len(changes[0].Fields) != maxFields {
		t.Fatalf("%d changes", len(changes))
	}
	if first := changes[0].Fields[0]; len(first) > maxFieldName || !strings.HasPrefix(first, "000é") {
		t.Errorf("a field is called %q", first)
	}
}

func FuzzCompare(f *testing.F) {
	f.Add(`{"name":"foo","vers":"1.0.0","cksum":"`+strings.Repeat("a", 64)+`","yanked":true}`, `{"name":"foo","vers":"1.0.0","cksum":"`+strings.Repeat("b", 64)+`","x":{"y":[1]}}`)
	f.Fuzz(func(t *testing.T, before, after string) {
		side := func(line string) *index.Crate {
			e, err := index.ParseLine([]byte(line))
			if err != nil {
				return &index.Crate{Bad: []*index.LineError{{ID: e.ID, Err: err}}}
			}
			return &index.Crate{Entries: []index.Entry{e}}
		}
		was, is := side(before), side(after)
		there, back := Compare(was, is), Compare(is, was)
		if (len(there) == 0) != (len(back) == 0) {
			t.Errorf("there %v, back %v", describe(there), describe(back))
		}
		if len(was.Bad)+len(is.Bad) == 0 && (len(there) == 0) != (before == after) {
			t.Errorf("%q and %q: %v", before, after, describe(there))
		}
	})
}
