// Package human formats numbers and untrusted text for people on a terminal. Machines get
// the values themselves, as JSON or as metrics.
package human

import (
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
)

// Count formats a number with separators: "1,234".
func Count(n int64) string { return humanize.Comma(n) }

// Plural formats a number of things: "1 bundle", "2 bundles".
func Plural(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return Count(n) + " " + thing
}

// Size formats a number of bytes: "1.2 GB". A negative number, which means unknown, is 0.
func Size(bytes int64) string { return humanize.Bytes(uint64(max(0, bytes))) }

// Ago formats how long before now t was: "2 hours ago".
func Ago(t, now time.Time) string { return humanize.RelTime(t, now, "ago", "from now") }

// Printable removes what would let untrusted text control a terminal (F15).
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// OneLine formats an error, which may be several, in one line.
func OneLine(err error) string { return Printable(strings.ReplaceAll(err.Error(), "\n", "; ")) }

// Rate returns how many things were done per second, or 0 if no time has passed.
func Rate(n int64, took time.Duration) float64 {
	if took <= 0 {
		return 0
	}
	return float64(n) / took.Seconds()
}
