package gate

import (
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// A Refusal is the error for a request for something hidden. It implements reader.Refusal.
type Refusal struct {
	status int
	text   string
}

var _ reader.Refusal = (*Refusal)(nil)

func (e *Refusal) Error() string { return e.text }

// Refuse implements reader.Refusal.
func (e *Refusal) Refuse() (status int, text string) { return e.status, e.text }

// Is makes hidden lines count as missing.
func (e *Refusal) Is(target error) bool {
	return e.status == http.StatusNotFound && target == fs.ErrNotExist
}

// Limits of texts that come partly from policies and advisories.
const (
	maxReason   = 400 // characters
	maxVersions = 3   // listed one by one
)

// refuseBytes returns the refusal of a crate file. Cargo shows the text of a 403 and, unlike
// after a 429 or a 5xx, does not try again (cargo 1.95).
func refuseBytes(id crate.ID, v verdict) *Refusal {
	return &Refusal{http.StatusForbidden, "This mirror does not serve " + id.String() + ": " +
		why(&v) + ask(v.contact)}
}

// refuseCrate returns the refusal of a crate: it says why the last versions in its file are
// hidden.
func refuseCrate(c *reader.Crate, contact string) *Refusal {
	var b strings.Builder
	fmt.Fprintf(&b, "This mirror holds %s of %s and shows none.", human.Plural(int64(len(c.Withheld)), "version"), c.Name)
	for i := len(c.Withheld) - 1; i >= max(0, len(c.Withheld)-maxVersions); i-- {
		w := &c.Withheld[i]
		b.WriteString("\n" + w.Version + ": " + w.Why)
	}
	if more := len(c.Withheld) - maxVersions; more > 0 {
		fmt.Fprintf(&b, "\nand %s before.", human.Plural(int64(more), "version"))
	}
	return &Refusal{http.StatusNotFound, b.String() + ask(contact)}
}

// why returns a sentence: which rule, since when, until when.
func why(v *verdict) string {
	var b strings.Builder
	if v.Rule == RuleBlock {
		b.WriteString("its operator has blocked it")
	} else {
		b.WriteString("rule " + v.Rule)
	}
	if v.Reason != "" {
		b.WriteString(", " + clip(human.Printable(v.Reason)))
	}
	if !v.Since.IsZero() {
		b.WriteString("; since " + v.Since.UTC().Format(time.RFC3339))
	}
	if !v.Until.IsZero() {
		b.WriteString("; until " + v.Until.UTC().Format(time.RFC3339))
	}
	return strings.TrimSuffix(b.String(), ".") + "."
}

func ask(contact string) string {
	if contact == "" {
		return ""
	}
	return "\nTo ask for it: " + clip(human.Printable(contact))
}

func clip(s string) string {
	if r := []rune(s); len(r) > maxReason {
		return string(r[:maxReason]) + "..."
	}
	return s
}
