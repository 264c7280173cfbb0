// Package human formats numbers and untrusted text for people on a terminal. Machines get
// the values themselves, as JSON or as metrics.
package human

import (
	"strings"
	"time"
	"unicode"

	"github.com/dustin/go-humanize"
)

// Count is a number with separators: "1,234".
func Count(n int64) string { return humanize.Comma(n) }

// Plural is a number of things: "1 bundle", "2 bundles".
func Plural(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return Count(n) + " " + thing
}

// Size is a number of bytes: "1.2 GB". A negative one, which is not known, is 0.
func Size(bytes int64) string { return humanize.Bytes(uint64(max(0, bytes))) }

// Ago is how long before now t was: "2 hours ago".
func Ago(t, now time.Time) string { return humanize.RelTime(t, now, "ago", "from now") }

// Printable keeps what came from outside from steering a terminal (F15).
func Printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, s)
}

// OneLine is an error, which may be several, in one line.
func OneLine(err error) string { return Printable(strings.ReplaceAll(err.Error(), "\n", "; ")) }

// Rate is how many things a second were done; 0 before any time has passed.
func Rate(n int64, took time.Duration) float64 {
	if took <= 0 {
		return 0
	}
	return float64(n) / took.Seconds()
}
