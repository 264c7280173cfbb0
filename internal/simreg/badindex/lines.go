package badindex

import (
	"fmt"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// longLine is far longer than any real index line (row A12).
const longLine = 65 << 20

// files returns the hostile index, one row of the catalogue after the other.
func files() []file {
	files := []file{
		{row: "A1", name: "a1-name", lines: around("a1-name",
			named(".."), named("...."), named("../../etc"), named("/etc/passwd"), named(`..\\..\\etc`),
			named("c:evil"), named("%2e%2e"), named("-a1"), named(""), named(strings.Repeat("a", 101)))},
		{row: "A2", name: "a2-vers", lines: around("a2-vers",
			versioned("a2-vers", "1.0.0/../x"), versioned("a2-vers", ".."), versioned("a2-vers", "1.0.0 "),
			versioned("a2-vers", `1.0.0\u0000`), versioned("a2-vers", `1\\..\\x`), versioned("a2-vers", "1"),
			versioned("a2-vers", "v1.0.0"), versioned("a2-vers", "1.0.0-"+strings.Repeat("a", 150)))},
		{row: "A3", name: "a3-file", lines: around("a3-file", named("a3-evil"))},
		{row: "A4", name: "a4-cksum", lines: around("a4-cksum",
			refuse(`{"name":"a4-cksum","vers":"1.2.0","deps":[],"features":{},"yanked":false}`),
			summed("a4-cksum", ""))},
		{row: "A5", name: "a5-cksum", lines: append(around("a5-cksum",
			summed("a5-cksum", strings.Repeat("ab", 31)), summed("a5-cksum", strings.Repeat("xy", 32)),
			summed("a5-cksum", strings.Repeat("ab", 33))), upper(crate.ID{Name: "a5-cksum", Version: "3.0.0"}))},
		{row: "A6", name: "a6-twice", lines: []line{
			good("a6-twice", "1.0.0"), {text: good("a6-twice", "1.0.0").text, fate: repeated}}},
		{row: "A7", name: "a7-last", lines: []line{
			{text: otherSum("a7-last", "1.0.0"), fate: repeated}, good("a7-last", "1.0.0")}},
		{row: "A7", name: "a7-first", lines: []line{
			dispute("a7-first", "1.0.0"), {text: otherSum("a7-first", "1.0.0"), fate: repeated}}},
		{row: "A9", name: "a9-json", unended: true, lines: append(around("a9-json",
			refuse(`{"name":"a9-json","vers":`), refuse("not JSON"), refuse(`[1,2]`), refuse(`null`)),
			refuse(`{"name":"a9-json","vers":"3.0.0","deps":[],"cksum":"0123`))},
		{row: "A10", name: "a10-bom", prefix: "\ufeff", lines: around("a10-bom")},
		{row: "A10", name: "a10-crlf", eol: "\r\n", lines: around("a10-crlf")},
		{row: "A10", name: "a10-space", eol: " \t\n", lines: around("a10-space")},
		{row: "A11", name: "a11-bytes", lines: around("a11-bytes",
			refuse("\x00\x00\x00"), refuse(versioned("a11-bytes", "1.2.0").text+"\x00"),
			refuse(strings.Replace(versioned("a11-bytes", "1.2.0").text, "false", "\xff\xfe", 1)),
			refuse(strings.Replace(versioned("a11-bytes", "1.2.0").text, `"deps"`, "\"\xc3\x28\":1,\"deps\"", 1)))},
		{row: "A12", name: "a12-long", lines: []line{
			refuse(`{"name":"a12-long","vers":"1.0.0","deps":[],"cksum":"` + strings.Repeat("0", longLine))}},
		{row: "A13", name: "a13-types", lines: around("a13-types",
			refuse(strings.Repeat("[", 100_000)),
			refuse(strings.Replace(versioned("a13-types", "1.2.0").text, "false", `"true"`, 1)),
			refuse(fmt.Sprintf(`{"name":"a13-types","vers":12,"deps":[],"cksum":"%064d","features":{},"yanked":false}`, 0)),
			refuse(fmt.Sprintf(`{"name":["a13-types"],"vers":"1.2.0","deps":[],"cksum":"%064d","features":{},"yanked":false}`, 0)))},
		{row: "A14", name: "a14-v3", lines: []line{
			good("a14-v3", "1.0.0"), with(good("a14-v3", "1.1.0"), `"features2":{"x":["dep:y"]},"v":2`),
			with(good("a14-v3", "1.2.0"), `"v":3,"bindep_targets":[{"new":true}]`)}},
		{row: "A20", name: "a20-case", lines: []line{
			good("a20-case", "1.0.0"), collide("A20-Case", "1.0.0"), named("a20-case."), named("a20-case ")}},
		{row: "A21", name: "a21-x", lines: []line{good("a21-x", "1.0.0")}},
		{row: "A21", name: "a21_x", lines: []line{good("a21_x", "1.0.0")}},
	}
	if deviceNames() {
		for _, name := range []string{"aux", "con", "nul"} {
			files = append(files, file{row: "A20", name: name, lines: []line{good(name, "1.0.0")}})
		}
	}
	return files
}

// goodLine is the index line of a version without dependencies.
func goodLine(id crate.ID) []byte {
	line, err := simreg.New(simreg.Version{Name: id.Name, Version: id.Version}).Entry(id)
	if err != nil {
		panic("badindex: " + err.Error()) // it was added just now
	}
	return line
}

func good(name, version string) line {
	id := crate.ID{Name: name, Version: version}
	return line{text: string(goodLine(id)), keep: id, fate: survives}
}

func refuse(text string) line { return line{text: text} }

// around puts good lines before and after the bad ones, which must not affect them.
func around(name string, bad ...line) []line {
	return append(append([]line{good(name, "1.0.0")}, bad...), good(name, "2.0.0"))
}

// versioned returns a line with the given version, including JSON escapes.
func versioned(name, version string) line {
	return refuse(fmt.Sprintf(`{"name":"%s","vers":"%s","deps":[],"cksum":"%064d","features":{},"yanked":false}`, name, version, 0))
}

func named(name string) line { return versioned(name, "1.0.0") }

func summed(name, sum string) line {
	return refuse(fmt.Sprintf(`{"name":"%s","vers":"1.2.0","deps":[],"cksum":"%s","features":{},"yanked":false}`, name, sum))
}

// upper returns a good line with its checksum in upper case.
func upper(id crate.ID) line {
	l := good(id.Name, id.Version)
	before, after, _ := strings.Cut(l.text, `"cksum":"`)
	l.text = before + `"cksum":"` + strings.ToUpper(after[:64]) + after[64:]
	return l
}

// with adds fields to a good line.
func with(l line, fields string) line {
	l.text = strings.TrimSuffix(l.text, "}") + "," + fields + "}"
	return l
}

// otherSum returns a line with a checksum that no file has.
func otherSum(name, version string) string { return versioned(name, version).text }

func dispute(name, version string) line {
	l := good(name, version)
	l.fate = disputed
	return l
}

func collide(name, version string) line {
	l := good(name, version)
	l.fate = collides
	return l
}
