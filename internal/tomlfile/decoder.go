package tomlfile

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2/unstable"
)

// A Decoder reads values from tables and collects problems.
type Decoder struct{ problems []Problem }

// Err returns all problems, ordered by line, as an [*Error], or nil if there are none.
func (d *Decoder) Err() error {
	if len(d.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(d.problems, func(a, b Problem) int { return cmp.Compare(a.Line, b.Line) })
	return &Error{Problems: d.problems}
}

// Fail adds a problem of a line, and what to write instead.
func (d *Decoder) Fail(line int, format string, args ...any) {
	d.problems = append(d.problems, Problem{line, fmt.Sprintf(format, args...)})
}

// Rest adds a problem for each key of t that was not read.
func (d *Decoder) Rest(t *Table) {
	for _, key := range t.order {
		if !slices.Contains(t.asked, key) {
			d.Fail(t.items[key].Line, "unknown key %.60q in %s: want %s", key, t.Title, Alternatives(t.asked))
		}
	}
}

// Text returns a string and its line, or "" if there is none.
func (d *Decoder) Text(t *Table, key string) (string, int) {
	it := t.ask(key)
	if it == nil {
		return "", t.Line
	}
	if it.kind != unstable.String {
		d.Fail(it.Line, "%s: want a string in quotes", key)
		return "", it.Line
	}
	if strings.TrimSpace(it.Text) == "" {
		d.Fail(it.Line, "%s is empty: remove it, or write something", key)
	}
	return it.Text, it.Line
}

// Flag returns a boolean, or otherwise if there is none.
func (d *Decoder) Flag(t *Table, key string, otherwise bool) bool {
	it := t.ask(key)
	if it == nil {
		return otherwise
	}
	v, err := strconv.ParseBool(it.Text)
	if it.kind != unstable.Bool || err != nil {
		d.Fail(it.Line, "%s: want true or false, without quotes", key)
	}
	return v
}

// Texts returns an array of strings.
func (d *Decoder) Texts(t *Table, key string) (all []*Item) {
	it := t.ask(key)
	if it == nil {
		return nil
	}
	if it.kind != unstable.Array {
		d.Fail(it.Line, "%s: want an array of strings, [%q]", key, it.Text)
		return nil
	}
	for _, v := range it.array {
		if v.kind != unstable.String || strings.TrimSpace(v.Text) == "" {
			d.Fail(v.Line, "%s: want strings in quotes", key)
			continue
		}
		all = append(all, v)
	}
	return all
}

// Table returns a table in t, or nil if there is none.
func (d *Decoder) Table(t *Table, key string) *Table {
	it := t.ask(key)
	if it == nil {
		return nil
	}
	if it.table == nil {
		d.Fail(it.Line, "%s: want a table: [%s%s] on a line by itself", key, t.path(), key)
	}
	return it.table
}

// Tables returns the tables with headers in double brackets, or an array of inline tables.
func (d *Decoder) Tables(t *Table, key string) []*Table {
	it := t.ask(key)
	if it == nil || it.tables != nil {
		if it == nil {
			return nil
		}
		return it.tables
	}
	var all []*Table
	for _, v := range it.array {
		if v.table == nil {
			all = nil
			break
		}
		all = append(all, v.table)
	}
	if all == nil {
		d.Fail(it.Line, "%s: want tables: [[%s]] on a line by itself before each", key, key)
	}
	return all
}

// Want adds a problem if a table lacks something.
func (d *Decoder) Want(t *Table, has bool, what string) {
	if !has {
		d.Fail(t.Line, "%s: want %s", t.Title, what)
	}
}

// Date parses a day, which ends at midnight UTC, or a time.
func (d *Decoder) Date(t *Table, key string) time.Time {
	it := t.ask(key)
	if it == nil {
		return time.Time{}
	}
	switch it.kind {
	case unstable.LocalDate, unstable.String:
		if day, err := time.Parse(time.DateOnly, it.Text); err == nil {
			return day.AddDate(0, 0, 1)
		}
	case unstable.DateTime:
		if at, err := time.Parse(time.RFC3339, strings.Replace(it.Text, " ", "T", 1)); err == nil {
			return at.UTC()
		}
	}
	d.Fail(it.Line, `%s: want a day, %s = 2027-03-31, or an instant with its zone, 2027-03-31T12:00:00Z`, key, key)
	return time.Time{}
}

// Alternatives joins words for a person to choose from.
func Alternatives(words []string) string {
	words = slices.Sorted(slices.Values(words))
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// Words returns a value in the form of a flag's value, and for an array each of its values:
// strings, numbers and booleans.
func (d *Decoder) Words(t *Table, key string) (words []string) {
	it := t.ask(key)
	if it == nil {
		return nil
	}
	items := it.array
	if it.kind != unstable.Array {
		items = []*Item{it}
	}
	for _, v := range items {
		switch v.kind {
		case unstable.String, unstable.Bool:
			words = append(words, v.Text)
		case unstable.Integer, unstable.Float:
			words = append(words, strings.ReplaceAll(v.Text, "_", ""))
		default:
			d.Fail(v.Line, "%s: want a string in quotes, a number, true, false, or an array of these", key)
		}
	}
	return words
}
