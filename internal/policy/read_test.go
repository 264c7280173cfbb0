package policy

import (
	"errors"
	"strings"
	"testing"

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
		want []Problem
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
`, []Problem{
			{1, `hidden is "shown": want "resolve-only", with which locked versions can be downloaded, or "denied"`},
			{2, `observe: want true or false, without quotes`},
			{3, `unknown key "colour" in the file: want advisories, age, allow, contact, deny, hidden, licenses, observe, owners, repository, waiver or yanked`},
			{6, `min-age is "7 days": want a number and one of w, d, h and m, as in "7d", or "0"`},
			{7, `unknown key "minimum" in [age]: want crates, hidden, min-age or observe`},
			{9, `serde is "1y": want a number and one of w, d, h and m, as in "7d", or "0"`},
			{10, `crate name "a b" has a character outside [A-Za-z0-9_-]: want a name, or what names begin with and a "*"`},
			{12, `[[deny]] names nothing: want crate = "NAME", "NAME@VERSION" or "PREFIX-*", or a checksum`},
			{13, `versions is "1.0.219": want an operator before each version: "=1.2.3" for that one, "^1.2.3" for those that are compatible`},
			{15, `crate is "serde@1.0": want a full version behind "@", as in "serde@1.0.219", or the key versions for a requirement`},
			{16, `checksum: checksum "12" has 2 characters, want 64 hexadecimal digits: want the cksum of the index`},
			{18, `[[waiver]]: want reason = "..."`},
			{18, `[[waiver]]: want by = "...", who answers for it`},
			{20, `rules: "agee" is none: want advisories, age, allow, deny, licenses, owners, repository or yanked`},
			{21, `expires: want a day, expires = 2027-03-31, or an instant with its zone, 2027-03-31T12:00:00Z`},
		}},
		"no TOML":        {"a = 1\nb = = 2\n", []Problem{{2, "unexpected character U+003D '=' at start of value"}}},
		"a key twice":    {"hidden = \"denied\"\nhidden = \"denied\"\n", []Problem{{2, "key hidden is already defined"}}},
		"tables needed":  {"deny = [\"serde\"]\nage = \"7d\"\n", []Problem{{1, "deny: want tables: [[deny]] on a line by itself before each"}, {2, "age: want a table: [age] on a line by itself"}}},
		"an age of none": {"[age]\n", []Problem{{1, `[age] says nothing: want min-age = "7d", or a table [age.crates]`}}},
	} {
		_, err := Read(strings.NewReader(c.text), "policy.toml")
		bad, ok := errors.AsType[*Error](err)
		if !ok {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(c.want, bad.Problems); diff != "" {
			t.Errorf("%s (-want +got)\n%s", name, diff)
		}
	}
}
