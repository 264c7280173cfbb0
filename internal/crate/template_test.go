package crate

import (
	"net/url"
	"strings"
	"testing"
)

func TestURLTemplate(t *testing.T) {
	id, sum := ID{"MyCrate", "1.0.0+x"}, Checksum{0xab}
	for _, tt := range []struct{ base, want string }{
		{"https://h/crates", "https://h/crates/MyCrate/MyCrate-1.0.0%2Bx.crate"}, // as in v1.1.0
		{"https://h/crates///", "https://h/crates/MyCrate/MyCrate-1.0.0%2Bx.crate"},
		{"http://h:1", "http://h:1/MyCrate/MyCrate-1.0.0%2Bx.crate"},
		{"https://u:p@h/c", "https://u:p@h/c/MyCrate/MyCrate-1.0.0%2Bx.crate"},
		{"https://h/{crate}/{version}/download", "https://h/MyCrate/1.0.0%2Bx/download"},
		{"https://h/{prefix}/{lowerprefix}/{crate}-{version}.crate", "https://h/My/Cr/my/cr/MyCrate-1.0.0%2Bx.crate"},
		{"https://h/{crate}{version}{crate}", "https://h/MyCrate1.0.0%2BxMyCrate"},
		{"https://h/{sha256-checksum}", "https://h/" + sum.String()},
	} {
		urls, err := ParseURLTemplate(tt.base)
		if got := urls.URL(id, sum); err != nil || got != tt.want {
			t.Errorf("%s: %s, %v, want %s", tt.base, got, err, tt.want)
		}
	}
	if got, want := CratesIOURLs.URL(id, sum), CratesIO+"/"+id.URLPath(); got != want {
		t.Errorf("crates.io: %s, want %s", got, want)
	}
	if !(URLTemplate{}).IsZero() || CratesIOURLs.IsZero() {
		t.Error("IsZero is wrong")
	}
}

// A registry's dl, with values inserted as cargo does.
func TestCargoURLTemplate(t *testing.T) {
	id, sum := ID{"MyCrate", "1.0.0+x"}, Checksum{1}
	for dl, want := range map[string]string{
		"https://h/c": "https://h/c/MyCrate/1.0.0+x/download",
		"https://h/{prefix}/{lowerprefix}/{crate}-{version}": "https://h/My/Cr/my/cr/MyCrate-1.0.0+x",
		"https://h/{sha256-checksum}":                        "https://h/" + sum.String(),
		"https://h/{what}":                                   "https://h/{what}/MyCrate/1.0.0+x/download",
	} {
		if got := CargoURLTemplate(dl).Expand(id, sum); got != want {
			t.Errorf("%s: %s, want %s", dl, got, want)
		}
	}
	for name, want := range map[string]string{"a": "1 1", "Ab": "2 2", "Abc": "3/A 3/a", "Abcd": "Ab/cd ab/cd"} {
		if got := CargoURLTemplate("{prefix} {lowerprefix}").Expand(ID{Name: name}, sum); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestURLTemplateCheck(t *testing.T) {
	for base, want := range map[string]string{
		"":                             "is not an http or https URL",
		"ftp://h/crates":               "is not an http or https URL",
		"https://":                     "is not an http or https URL",
		"/crates":                      "is not an http or https URL",
		"https://u:s3cret@h/a b":       "not a URL",
		"https://u:s3cret@h:x/":        "not a URL",
		"https://{crate}.h/":           "has a marker in front of its path",
		"https://{crate}:{version}@h/": "has a marker in front of its path",
		"https://h/c?token=s3cret":     "https://h/c has a query or a fragment",
		"https://h/c?":                 "https://h/c has a query or a fragment",
		"https://h/c#s3cret":           "https://h/c has a query or a fragment",
		"https://h/?f={crate}{version}&token=s3cret": "https://h/ has a query or a fragment",
		"https://h/{name}/{version}/{crate}":         "has braces around what is none of {crate}",
		"https://h/{crate":                           "has braces around what is none of {crate}",
		"https://h/{crate}":                          "makes one URL for many crate files",
		"https://h/{version}/{prefix}":               "makes one URL for many crate files",
	} {
		_, err := ParseURLTemplate(base)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, want %q", base, err, want)
		}
	}
}

func TestURLTemplateWithoutUser(t *testing.T) {
	for base, want := range map[string]string{
		"https://user:s3cret@h/c/{crate}/{version}": "https://h/c/{crate}/{version}",
		"https://user@h": "https://h/{crate}/{crate}-{version}.crate",
		"https://h/a@b":  "https://h/a@b/{crate}/{crate}-{version}.crate",
	} {
		urls, err := ParseURLTemplate(base)
		if got := urls.WithoutUser(); err != nil || got.text != want || urls.String() != want || urls.HasUser() == strings.Contains(base, "h/a@b") {
			t.Errorf("%s: %s, %v, want %s", base, got.text, err, want)
		}
		if got := urls.WithoutUser().URL(ID{"a", "1.0.0"}, Checksum{}); strings.Contains(got, "s3cret") {
			t.Error(got)
		}
	}
}

// Whatever passes Check makes a URL without a query, on the host that it names, and without
// its password.
func FuzzURLTemplate(f *testing.F) {
	f.Add("https://static.crates.io/crates")
	f.Add("https://user:pw@h/{crate}/{version}/{prefix}/{lowerprefix}/{sha256-checksum}")
	f.Add("https://h/{{crate}}{version}")
	f.Fuzz(func(t *testing.T, s string) {
		urls, err := ParseURLTemplate(s)
		if err != nil {
			return
		}
		base, err := url.Parse(strings.NewReplacer("{", "", "}", "").Replace(s))
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(urls.URL(ID{"MyCrate", "1.0.0-a+b"}, Checksum{}))
		if err != nil || u.Host != base.Host || u.RawQuery != "" || u.Fragment != "" {
			t.Errorf("%q becomes %v, %v", s, u, err)
		}
		shown, err := url.Parse(urls.WithoutUser().URL(ID{"a", "1.0.0"}, Checksum{}))
		if err != nil || shown.User != nil || shown.Host != u.Host {
			t.Errorf("%q is shown as %v, %v", s, shown, err)
		}
	})
}

// The dl of well-known registries, and the resulting URLs of crate files.
func TestRegistriesDL(t *testing.T) {
	id := ID{"Foo_bar", "1.0.0+x"}
	sum := Checksum{0xab}
	for name, tt := range map[string]struct{ dl, want string }{
		"crates.io":         {"https://static.crates.io/crates", "https://static.crates.io/crates/Foo_bar/1.0.0%2Bx/download"},
		"Artifactory":       {"https://a.example/artifactory/api/cargo/crates-remote/v1/crates", "https://a.example/artifactory/api/cargo/crates-remote/v1/crates/Foo_bar/1.0.0%2Bx/download"},
		"Nexus":             {"http://localhost/repository/cargo-proxy/crates", "http://localhost/repository/cargo-proxy/crates/Foo_bar/1.0.0%2Bx/download"},
		"kellnr":            {"http://kellnr.example:8000/api/v1/crates/dl", "http://kellnr.example:8000/api/v1/crates/dl/Foo_bar/1.0.0%2Bx/download"},
		"Gitea":             {"http://localhost:3000/api/packages/me/cargo/api/v1/crates", "http://localhost:3000/api/packages/me/cargo/api/v1/crates/Foo_bar/1.0.0%2Bx/download"},
		"rsproxy":           {"https://rsproxy.example/api/v1/crates", "https://rsproxy.example/api/v1/crates/Foo_bar/1.0.0%2Bx/download"},
		"panamax":           {"http://panamax.local/crates/{prefix}/{crate}/{version}/{crate}-{version}.crate", "http://panamax.local/crates/Fo/o_/Foo_bar/1.0.0%2Bx/Foo_bar-1.0.0%2Bx.crate"},
		"a plain tree":      {"https://m.example/crates/{crate}/{crate}-{version}.crate", "https://m.example/crates/Foo_bar/Foo_bar-1.0.0%2Bx.crate"},
		"our export":        {"https://m.example/base/crates/{lowerprefix}/{crate}/{crate}-{version}.crate", "https://m.example/base/crates/fo/o_/Foo_bar/Foo_bar-1.0.0%2Bx.crate"},
		"files by checksum": {"https://m.example/{sha256-checksum}.crate", "https://m.example/" + sum.String() + ".crate"},
	} {
		urls := CargoURLTemplate(tt.dl)
		if err := urls.Check(); err != nil || urls.URL(id, sum) != tt.want {
			t.Errorf("%s: %s, %v; want %s", name, urls.URL(id, sum), err, tt.want)
		}
	}
}
