package crate

import (
	"errors"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
)

// A URLTemplate makes the URLs of crate files, like "dl" in a registry's config.json (cargo
// book, Registry Index, "Index Configuration"). Its markers are
//
//	{crate}            the name, with its case
//	{version}          the version, with build metadata
//	{prefix}           the folder of [IndexPath], with the case of the name
//	{lowerprefix}      the folder of [IndexPath]
//	{sha256-checksum}  the checksum, 64 hexadecimal digits
//
// The zero URLTemplate makes no URL.
type URLTemplate struct {
	text  string
	parts []part
}

// A part is text or, if it has a value, a marker.
type part struct {
	text  string
	value func(id ID, sum Checksum) string
}

var markers = map[string]func(ID, Checksum) string{
	"{crate}":           func(id ID, _ Checksum) string { return id.Name },
	"{version}":         func(id ID, _ Checksum) string { return id.Version },
	"{prefix}":          func(id ID, _ Checksum) string { return indexDir(id.Name) },
	"{lowerprefix}":     func(id ID, _ Checksum) string { return path.Dir(IndexPath(id.Name)) },
	"{sha256-checksum}": func(_ ID, sum Checksum) string { return sum.String() },
}

// CratesIO is the base URL of the crate files of crates.io.
const CratesIO = "https://static.crates.io/crates"

// CratesIOURLs is the template of CratesIO.
var CratesIOURLs = newTemplate(CratesIO, staticSuffix)

const (
	staticSuffix = "/{crate}/{crate}-{version}" + Ext
	cargoSuffix  = "/{crate}/{version}/download"
)

// ParseURLTemplate parses what users write: a template, or a base URL below which files are
// at {crate}/{crate}-{version}.crate, as on static.crates.io.
func ParseURLTemplate(s string) (URLTemplate, error) {
	t := newTemplate(strings.TrimRight(s, "/"), staticSuffix)
	return t, t.Check()
}

// CargoURLTemplate parses a registry's "dl" as cargo does: if it has no markers, files are
// at {crate}/{version}/download below it. It may be invalid; see Check.
func CargoURLTemplate(dl string) URLTemplate { return newTemplate(dl, cargoSuffix) }

// newTemplate splits s at its markers; if it has none, it appends suffix.
func newTemplate(s, suffix string) URLTemplate {
	if !slices.ContainsFunc(splitMarkers(s), func(p part) bool { return p.value != nil }) {
		s += suffix
	}
	return URLTemplate{s, splitMarkers(s)}
}

func splitMarkers(s string) (parts []part) {
	for {
		before, marker, rest := cutMarker(s)
		if before != "" {
			parts = append(parts, part{text: before})
		}
		if marker == "" {
			return parts
		}
		parts = append(parts, part{marker, markers[marker]})
		s = rest
	}
}

// cutMarker cuts s around its first marker, which is empty if there is none.
func cutMarker(s string) (before, marker, rest string) {
	first := len(s)
	for m := range markers {
		if i := strings.Index(s, m); i >= 0 && i < first {
			first, marker = i, m
		}
	}
	return s[:first], marker, s[first+len(marker):]
}

// Check returns why t does not make a different URL for each crate file, or nil. It rejects
// a query and a fragment: they may contain tokens, and URLs are written to manifests and
// logs.
func (t URLTemplate) Check() error {
	u, err := url.Parse(t.URL(ID{"name", "1.0.0"}, Checksum{}))
	switch {
	case err != nil || strings.Contains(t.text, " "):
		return errors.New("not a URL") // the text may contain a password
	case u.Scheme != "https" && u.Scheme != "http" || u.Host == "":
		return fmt.Errorf("%s is not an http or https URL", t)
	case u.RawQuery != "" || u.ForceQuery || strings.Contains(t.text, "#"):
		shown := t.String()
		return fmt.Errorf("%s has a query or a fragment behind it: want scheme, host and path alone", shown[:strings.IndexAny(shown, "?#")])
	case strings.Contains(t.beforePath(), "{"):
		return fmt.Errorf("%s has a marker in front of its path", t)
	case strings.ContainsAny(t.literal(), "{}"):
		return fmt.Errorf("%s has braces around what is none of {crate}, {version}, {prefix}, {lowerprefix}, {sha256-checksum}", t)
	case !t.has("{sha256-checksum}") && (!t.has("{version}") || !t.has("{crate}")):
		return errors.New(t.String() + " makes one URL for many crate files: it has neither {sha256-checksum} nor both {crate} and {version}")
	}
	return nil
}

// beforePath returns scheme, user and host.
func (t URLTemplate) beforePath() string {
	scheme, rest, _ := strings.Cut(t.text, "://")
	host, _, _ := strings.Cut(rest, "/")
	return scheme + "://" + host
}

func (t URLTemplate) has(marker string) bool {
	return slices.ContainsFunc(t.parts, func(p part) bool { return p.text == marker })
}

// literal returns the text that is not markers.
func (t URLTemplate) literal() (s string) {
	for _, p := range t.parts {
		if p.value == nil {
			s += p.text
		}
	}
	return s
}

// URL returns the escaped URL of a version's crate file. Of the characters in an ID only
// "+" needs escaping (see [ID.URLPath]).
func (t URLTemplate) URL(id ID, sum Checksum) string {
	id.Version = strings.ReplaceAll(id.Version, "+", "%2B")
	return t.Expand(id, sum)
}

// Expand replaces the markers with the values of a version, unescaped, as cargo does.
func (t URLTemplate) Expand(id ID, sum Checksum) string {
	var b strings.Builder
	for _, p := range t.parts {
		if p.value != nil {
			b.WriteString(p.value(id, sum))
		} else {
			b.WriteString(p.text)
		}
	}
	return b.String()
}

// String returns the template, without user and password.
func (t URLTemplate) String() string { return t.WithoutUser().text }

// WithoutUser returns the template without user and password.
func (t URLTemplate) WithoutUser() URLTemplate {
	before := t.beforePath()
	at := strings.LastIndexByte(before, '@')
	if at < 0 {
		return t
	}
	scheme, _, _ := strings.Cut(before, "://")
	text := scheme + "://" + t.text[at+1:]
	return URLTemplate{text, splitMarkers(text)}
}

// HasUser reports whether the URL contains a user.
func (t URLTemplate) HasUser() bool { return t.WithoutUser().text != t.text }

// IsZero reports whether t is the zero URLTemplate.
func (t URLTemplate) IsZero() bool { return t.text == "" }
