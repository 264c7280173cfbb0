package transfer

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// A Point is what a mirror held at a time. The zero Point is nothing.
type Point struct {
	Line   string         // the name of its series: 32 hexadecimal digits
	Number int            // in the line, from 1
	Digest crate.Checksum // of the set of crate files held
	Commit string         // of the index
	Time   time.Time      // of the commit
}

// NewLine returns the name of a new line.
func NewLine() string {
	var b [lineDigits / 2]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// Covers reports whether a far side at p has everything that a transfer from base leaves
// out.
func (p Point) Covers(base Point) bool {
	return base.IsZero() || p == base || p.Line == base.Line && p.Number > base.Number
}

// IsZero reports whether p holds nothing.
func (p Point) IsZero() bool { return p == Point{} }

// ID returns the name of a point for people: its number, and eight digits as a check.
func (p Point) ID() string { return fmt.Sprintf("%d-%.8s", p.Number, p.Digest) }

// IsID reports whether a text has the form of an ID, or of its number alone.
func IsID(text string) bool {
	number, digits, found := strings.Cut(text, "-")
	n, err := strconv.Atoi(number)
	return err == nil && n > 0 && n <= maxPoint && (!found || len(digits) == 8 && isHex(digits))
}

// Is reports whether an ID, or only its number, names the point.
func (p Point) Is(id string) bool {
	return id == p.ID() || id == strconv.Itoa(p.Number)
}

const (
	maxPoint   = 1_000_000_000
	lineDigits = 32
)

// pointFields is the number of fields of a point.
const pointFields = 5

// fields returns a point in the form of files.
func (p Point) fields() string {
	return fmt.Sprintf("%s %d %s %s %s", p.Line, p.Number, p.Digest, p.Commit, p.Time.UTC().Format(time.RFC3339))
}

// parsePoint is the inverse of fields.
func parsePoint(fields []string) (p Point, err error) {
	if p.Line = fields[0]; len(p.Line) != lineDigits || !isHex(p.Line) {
		return p, fmt.Errorf("%.60q is no name of a line", p.Line)
	}
	if p.Number, err = parseNumber(fields[1], maxPoint); err != nil || p.Number == 0 {
		return p, fmt.Errorf("%.40q is no number of a point", fields[1])
	}
	if p.Digest, err = crate.ParseChecksum(fields[2]); err != nil {
		return p, err
	}
	if p.Time, err = parseTime(fields[4]); err != nil {
		return p, err
	}
	p.Commit = fields[3]
	if len(p.Commit) != 40 || !isHex(p.Commit) {
		return p, fmt.Errorf("%.60q is no id of a commit", p.Commit)
	}
	return p, nil
}

// parseNumber parses a decimal number in canonical form.
func parseNumber(text string, most int64) (int, error) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 || n > most || strconv.FormatInt(n, 10) != text {
		return 0, fmt.Errorf("%.40q is not a number of 0 to %d", text, most)
	}
	return int(n), nil
}

// parseTime parses a time in canonical form.
func parseTime(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil || t.UTC().Format(time.RFC3339) != text {
		return t, fmt.Errorf("%.40q is no time in UTC", text)
	}
	return t.UTC(), nil
}

// isHex reports whether a text has only lower-case hexadecimal digits.
func isHex(text string) bool {
	_, err := hex.DecodeString(text)
	return err == nil && strings.ToLower(text) == text
}
