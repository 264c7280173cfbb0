package closure

import (
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/simreg"
)

// registryText is the registry that the manifests are resolved with.
const registryText = `
# Versions to choose from, and what they need.
leaf 0.1.0
leaf 0.1.9
leaf 0.2.0
leaf 0.3.0
leaf 1.0.0
leaf 1.4.0
leaf 1.9.0
leaf 2.0.0
leaf 2.1.0
twig 1.0.0
  dep leaf ^1
twig 1.1.0
  dep leaf >=1.2,<1.5
twig 1.2.0
  dep leaf ~1.4
branch 1.0.0
  dep leaf ^1.0
  dep twig ^1
branch 2.0.0
  dep leaf *
  dep twig 1.1

# Features of all kinds.
json 1.0.0
  dep leaf ^0.2
serdes 1.0.0
  feature default std
  feature std
  feature alloc
  feature derive serdes-derive
  dep serdes-derive =1.0.0 optional
serdes-derive 1.0.0
  dep leaf ^2
kit 1.0.0
  dep serdes ^1 optional no-default
  dep json ^1 optional
  dep leaf ^0.3 optional
  dep twig ^1 optional rename=stick
  dep plug ^1 optional
  dep socket ^1 no-default
  feature default wood
  feature serde dep:serdes serdes/alloc
  feature wood dep:stick
  feature derive serde serdes?/derive
  feature metal leaf
  feature power socket/current
plug 1.0.0
socket 1.0.0
  feature current volt ampere
  feature volt dep:volt
  feature ampere amp/fuse
  dep volt ^1 optional
  dep amp ^1 optional
volt 1.0.0
amp 1.0.0
  dep wire ^1 optional
  feature fuse wire
wire 1.0.0
weak 1.0.0
  dep serdes ^1 optional
  dep json ^1
  feature default more
  feature more serdes?/derive
weak-user 1.0.0
  dep weak ^1
  dep socket ^1 features=current

# Targets and kinds.
port 1.0.0
  dep port-unix ^1 target=cfg(unix)
  dep port-windows ^1 target=cfg(windows)
  dep port-wasm ^1 target=wasm32-unknown-unknown optional
  dep port-build ^1 kind=build
  dep port-test ^1 kind=dev
port-unix 1.0.0
port-windows 1.0.0
port-windows 1.1.0
  dep leaf ^0.1
port-wasm 1.0.0
port-build 1.0.0
  dep json *
port-test 1.0.0
  dep port ^1

# Renamed, and twice.
twice 1.0.0
  dep leaf ^1 rename=leaf1
  dep leaf ^2 rename=leaf2
  dep serdes ^1 rename=ser no-default optional
  feature full ser/derive

# Pre-releases and metadata.
next 1.0.0-alpha.1
next 1.0.0-alpha.2
next 1.0.0-beta.1
next 0.9.0
next 1.0.0
next 1.1.0-rc.1
next 1.1.0-rc.2
next 1.1.0
next 2.0.0-alpha.1
next-user 1.0.0
  dep next ^1.0.0-alpha.1
next-pinner 1.0.0
  dep next >=1.0.0-alpha.1,<1.0.0-beta.2
next-capped 1.0.0
  dep next ^1.1.0-rc.1
next-below 1.0.0
  dep next <1.1.0-rc.3
early 0.1.0-alpha.1
early 0.1.0-alpha.3
early-user 1.0.0
  dep early =0.1.0-alpha.1
  dep next 1.0.0-alpha.1
meta 1.0.0+1
meta 1.0.0+2
meta 1.0.0+10
meta-user 1.0.0
  dep meta =1.0.0
  dep meta-sys ^0.1
meta-sys 0.1.0+zlib.1.2
  links z
meta-sys 0.1.1+zlib.1.3
  links z

# Yanked, and what needs what is gone.
gone 1.0.0
gone 1.1.0 yanked
gone 2.0.0 yanked
gone-user 1.0.0
  dep gone ^1
gone-user 1.1.0
  dep gone ^2
gone-user-user 1.0.0
  dep gone-user 1
gone-user-user 1.1.0
  dep gone-user ^1.1
gone-maybe 1.0.0
  dep gone ^2 optional
  dep leaf ^1

# Features that come and go.
mode 1.0.0
  feature fast
mode 1.1.0
  feature fast
  dep leaf ^0.1
mode 1.2.0
mode-user 1.0.0
  dep mode ^1 features=fast

# Lines that cargo passes over: testRegistry adds newer ones.
odd 1.0.0
  dep leaf ^1
odd-user 1.0.0
  dep odd ^1

# Names of every length, and case.
a 1.0.0
  dep ab ^1
ab 1.0.0
  dep abc *
abc 1.0.0
  dep Upper-Case ^0.1
Upper-Case 0.1.0
  dep leaf ^0
`

var manifests = []manifest{
	{"requirements", `[dependencies]
		leaf = "1.2"
		twig = "~1.1"
		branch = ">=1, <3"`, []string{"leaf@1.2", "twig@~1.1", "branch@>=1, <3"}},
	{"bounds that meet", `[dependencies]
		branch = "1"
		twig = "=1.1.0"
		leaf = "*"`, []string{"branch@1", "twig@=1.1.0", "leaf@*"}},
	{"all features", `[dependencies]
		kit = { version = "1", features = ["derive", "metal", "power", "json", "plug"] }`, []string{"kit"}},
	{"some features", `[dependencies]
		kit = { version = "1", default-features = false, features = ["serde"] }
		weak = "1"`, []string{"kit", "weak"}},
	{"weak features", `[dependencies]
		weak-user = "1"`, []string{"weak-user"}},
	{"targets and kinds", `[dependencies]
		port = { version = "1", features = ["port-wasm"] }
		[dev-dependencies]
		port-test = "1"
		[build-dependencies]
		json = "1"
		[target.'cfg(windows)'.dependencies]
		twig = "1"`, []string{"port", "port-test", "json", "twig@1"}},
	{"renamed", `[dependencies]
		two = { package = "twice", version = "1", features = ["full"] }
		old = { package = "leaf", version = "0.1" }`, []string{"twice", "leaf@0.1"}},
	{"pre-releases", `[dependencies]
		next-user = "1"
		next-pinner = "1"`, []string{"next-user", "next-pinner"}},
	{"pre-releases below a bound", `[dependencies]
		next-user = "1"
		next-below = "1"
		early = "0.1.0-alpha.1"
		next-two = { package = "next", version = "2.0.0-alpha" }`,
		[]string{"next-user", "next-below", "early@0.1.0-alpha.1", "next@2.0.0-alpha"}},
	{"a pre-release for two", `[dependencies]
		next-capped = "1"
		next = "<1.1.0-rc.3, >=1.1.0-rc.1"`, []string{"next-capped", "next@<1.1.0-rc.3, >=1.1.0-rc.1"}},
	{"metadata", `[dependencies]
		meta-user = "1"
		meta = "1.0.0"`, []string{"meta-user", "meta@1.0.0"}},
	{"yanked", `[dependencies]
		gone = "1"
		gone-user-user = "1"
		gone-maybe = "1"`, []string{"gone@1", "gone-user-user", "gone-maybe"}},
	{"features that went", `[dependencies]
		mode-user = "1"`, []string{"mode-user"}},
	{"lines that cargo passes over", `[dependencies]
		odd-user = "1"`, []string{"odd-user"}},
	{"short names", `[dependencies]
		a = "1"`, []string{"a"}},
}

// oddLines are lines that cargo skips: of a later format, with an invalid requirement, and
// with a dependency that is not an object.
var oddLines = []string{
	`{"name":"odd","vers":"1.1.0","deps":[],"cksum":"` + zeros + `","features":{},"yanked":false,"v":3}`,
	`{"name":"odd","vers":"1.2.0","deps":[{"name":"leaf","req":"^1.x.7","features":[],"optional":false,"default_features":true,"target":null,"kind":"dev"}],"cksum":"` + zeros + `","features":{},"yanked":false}`,
	`{"name":"odd","vers":"1.3.0","deps":["leaf"],"cksum":"` + zeros + `","features":{},"yanked":false}`,
}

var zeros = crate.Checksum{}.String()

// testRegistry writes the index of a registry of registryText and oddLines.
func testRegistry(t *testing.T, dir string) *simreg.Registry {
	t.Helper()
	reg := simreg.New(simreg.MustParse(registryText)...)
	if err := reg.WriteIndex(dir); err != nil {
		t.Fatal(err)
	}
	for _, line := range oddLines {
		appendLine(t, dir, "odd", line)
	}
	return reg
}
