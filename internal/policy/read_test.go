package policy

import (
	"errors"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/tomlfile"
	"github.com/google/go-cmp/cmp"
)

func read(t testing.TB, text string) *Policy {
	t.Helper()
	f, err := Read(strings.NewReader(text), "policy.toml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := f.Policy(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// All that is wrong with a file is told at once, each with its line and what to write
// instead.
func TestReadTellsAllProblems(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []tomlfile.Problem
	}{
		"everything at once": {`hidden = "shown"
observe = "yes"
colour = "red"

[age]
min-age = "7 days"
minimum = "7d"
[age.crates]
serde = "1y"
"a b" = "1d"

[[deny]]
versions = "1.0.219"
[[deny]]
crate = "serde@1.0"
checksum = "12"

[[waiver]]
crate = "serde@1.0.219"
rules = ["agee"]
expires = "tomorrow"
`, []tomlfile.Problem{
			{Line: 1, Text: `hidden is "shown": want "resolve-only", with which locked versions can be downloaded, or "denied"`},
			{Line: 2, Text: `observe: want true or false, without quotes`},
			{Line: 3, Text: `unknown key "colour" in the file: want advisories, age, allow, contact, deny, hidden, licenses, observe, owners, repository, waiver or yanked`},
			{Line: 6, Text: `min-age is "7 days": want a number and one of w, d, h and m, as in "7d", or "0"`},
			{Line: 7, Text: `unknown key "minimum" in [age]: want crates, hidden, min-age or observe`},
			{Line: 9, Text: `serde is "1y": want a number and one of w, d, h and m, as in "7d", or "0"`},
			{Line: 10, Text: `crate name "a b" has a character outside [A-Za-z0-9_-]: want a name, or what names begin with and a "*"`},
			{Line: 12, Text: `[[deny]] names nothing: want crate = "NAME", "NAME@VERSION" or "PREFIX-*", or a checksum`},
			{Line: 13, Text: `versions is "1.0.219": want an operator before each version: "=1.2.3" for that one, "^1.2.3" for those that are compatible`},
			{Line: 15, Text: `crate is "serde@1.0": want a full version behind "@", as in "serde@1.0.219", or the key versions for a requirement`},
			{Line: 16, Text: `checksum: checksum "12" has 2 characters, want 64 hexadecimal digits: want the cksum of the index`},
			{Line: 18, Text: `[[waiver]]: want reason = "..."`},
			{Line: 18, Text: `[[waiver]]: want by = "...", who answers for it`},
			{Line: 20, Text: `rules: "agee" is none: want advisories, age, allow, deny, licenses, owners, repository or yanked`},
			{Line: 21, Text: `expires: want a day, expires = 2027-03-31, or an instant with its zone, 2027-03-31T12:00:00Z`},
		}},
		"no TOML":        {"a = 1\nb = = 2\n", []tomlfile.Problem{{Line: 2, Text: "unexpected character U+003D '=' at start of value"}}},
		"a key twice":    {"hidden = \"denied\"\nhidden = \"denied\"\n", []tomlfile.Problem{{Line: 2, Text: "key hidden is already defined"}}},
		"tables needed":  {"deny = [\"serde\"]\nage = \"7d\"\n", []tomlfile.Problem{{Line: 1, Text: "deny: want tables: [[deny]] on a line by itself before each"}, {Line: 2, Text: "age: want a table: [age] on a line by itself"}}},
		"an age of none": {"[age]\n", []tomlfile.Problem{{Line: 1, Text: `[age] says nothing: want min-age = "7d", or a table [age.crates]`}}},
	} {
		_, err := Read(strings.NewReader(c.text), "policy.toml")
		bad, ok := errors.AsType[*tomlfile.Error](err)
		if !ok {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(c.want, bad.Problems); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}
