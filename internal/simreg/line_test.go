package simreg

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// realLine is a line in the form of crates.io, with a checksum of one digit.
func realLine(name, version, digit string, yanked bool) string {
	text := `{"name":"` + name + `","vers":"` + version + `","deps":[],"cksum":"` + strings.Repeat(digit, 64) + `","features":{},"yanked":false, "of":"later"}`
	return string(setYanked([]byte(text), yanked))
}

func mustParseLine(t *testing.T, text string) Line {
	t.Helper()
	line, err := ParseLine([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func TestLineKeepsAllButTheChecksum(t *testing.T) {
	text := realLine("Foo", "1.0.0+x", "a", false)
	line := mustParseLine(t, text)
	want := strings.Replace(text, strings.Repeat("a", 64), line.Sum.String(), 1)
	if string(line.Text) != want || line.ID != id("Foo", "1.0.0+x") {
		t.Errorf("%s is the line of %v, want %s", line.Text, line.ID, want)
	}
	r := New()
	r.SetCrate("Foo", line)
	if sum, err := r.Checksum(line.ID); err != nil || sum != line.Sum || !bytes.Equal(bytesOf(t, r, line.ID), line.CrateBytes()) {
		t.Errorf("the registry has %v, %v, which is not what the line stands for", sum, err)
	}
	r.Yank(line.ID, true)
	if got, want := entryOf(t, r, line.ID), strings.Replace(want, `"yanked":false`, `"yanked":true`, 1); got != want {
		t.Errorf("after Yank the entry is %s, want %s", got, want)
	}
	if again := mustParseLine(t, realLine("Foo", "1.0.0+x", "b", false)); again.Sum == line.Sum {
		t.Error("another checksum stands for the same bytes")
	}
}

func TestParseLineRejects(t *testing.T) {
	for _, text := range []string{
		``, `{}`, realLine("..", "1.0.0", "a", false), realLine("foo", "1", "a", false),
		`{"name":"foo","vers":"1.0.0","cksum":"ab"}`,
	} {
		if line, err := ParseLine([]byte(text)); err == nil {
			t.Errorf("%s is read as the line of %v", text, line.ID)
		}
	}
}

func TestWhatWasDeletedAndCameBack(t *testing.T) {
	foo := id("foo", "1.0.0")
	r := New(MustParse("foo 1.0.0\nfoo 1.1.0")...)
	first, _ := r.Checksum(foo)
	r.Remove(foo)
	if got, want := r.Gone(), []crate.ID{foo}; !slices.Equal(got, want) {
		t.Errorf("deleted, as it says, is %v, want %v", got, want)
	}
	r.Restore(foo, first)
	if sum, err := r.Checksum(foo); err != nil || sum != first || len(r.Past(foo)) != 0 {
		t.Errorf("restored, it has %v, %v, and before %v, want %v alone", sum, err, r.Past(foo), first)
	}
	if file, err := r.IndexFile("3/f/foo"); err != nil || !strings.HasSuffix(string(file), entryOf(t, r, foo)+"\n") {
		t.Errorf("restored, it is not the newest: %s, %v", file, err)
	}
	r.Remove(foo)
	r.Restore(foo, first)
	r.ReplaceBytes(foo)
	if got, want := r.Past(foo), []crate.Checksum{first}; !slices.Equal(got, want) || len(r.Gone()) > 0 {
		t.Errorf("republished, it had the checksums %v before, want %v; %v is gone", got, want, r.Gone())
	}
	second, _ := r.Checksum(foo)
	r.Remove(foo)
	r.Restore(foo, first)
	if sum, err := r.Checksum(foo); err != nil || sum != first || !slices.Equal(r.Past(foo), []crate.Checksum{second}) {
		t.Errorf("restored, it has %v, %v, and before %v, want %v and %v", sum, err, r.Past(foo), first, second)
	}
}
