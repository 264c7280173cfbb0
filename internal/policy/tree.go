package policy

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// A table is one of a TOML file, with the lines of what is in it. go-toml itself stops at
// the first value of a wrong kind and tells lines of errors that it finds itself alone; who
// writes a policy wants all that is wrong with it at once.
type table struct {
	title string // as it is called in messages
	line  int
	order []string
	items map[string]*item
	asked []string // for; what was not is unknown
}

// An item is a value.
type item struct {
	line   int
	kind   unstable.Kind
	text   string // of all that is no array or table
	array  []*item
	table  *table   // an inline one, or one with a header
	tables []*table // of headers in double brackets
}

// parseTOML reads a whole file.
func parseTOML(data []byte) (*table, error) {
	// It finds what no tree shows: keys that are there twice, a table that is no table.
	if err := toml.Unmarshal(data, new(map[string]any)); err != nil {
		if bad, ok := errors.AsType[*toml.DecodeError](err); ok {
			line, _ := bad.Position()
			return nil, &Error{Problems: []Problem{{Line: line, Text: strings.TrimPrefix(bad.Error(), "toml: ")}}}
		}
		return nil, err
	}
	root := &table{title: "the file", line: 1}
	p := new(unstable.Parser)
	p.Reset(data)
	current := root
	for p.NextExpression() {
		switch e := p.Expression(); e.Kind {
		case unstable.Table:
			current = root.header(p, e.Key(), false)
		case unstable.ArrayTable:
			current = root.header(p, e.Key(), true)
		case unstable.KeyValue:
			current.set(p, e)
		}
	}
	return root, p.Error()
}

func lineOf(p *unstable.Parser, n *unstable.Node) int { return p.Shape(n.Raw).Start.Line }

// header finds or makes the table that a header names.
func (t *table) header(p *unstable.Parser, key unstable.Iterator, array bool) *table {
	for key.Next() {
		name, line := string(key.Node().Data), lineOf(p, key.Node())
		it := t.items[name]
		if it == nil {
			it = &item{line: line, kind: unstable.Table}
			t.put(name, it)
		}
		switch {
		case array && key.IsLast():
			it.tables = append(it.tables, &table{title: "[[" + name + "]]", line: line})
			it.kind = unstable.ArrayTable
			t = it.tables[len(it.tables)-1]
		case len(it.tables) > 0:
			t = it.tables[len(it.tables)-1]
		default:
			if it.table == nil {
				it.table = &table{title: "[" + t.path() + name + "]", line: line}
			}
			t = it.table
		}
	}
	return t
}

// path is what the titles of tables in t begin with.
func (t *table) path() string {
	if strings.HasPrefix(t.title, "[") {
		return strings.Trim(t.title, "[]") + "."
	}
	return ""
}

func (t *table) put(name string, it *item) {
	if t.items == nil {
		t.items = map[string]*item{}
	}
	t.items[name] = it
	t.order = append(t.order, name)
}

// set puts a key and its value into t; the key may have dots.
func (t *table) set(p *unstable.Parser, e *unstable.Node) {
	key := e.Key()
	for key.Next() {
		name, line := string(key.Node().Data), lineOf(p, key.Node())
		if key.IsLast() {
			t.put(name, newItem(p, e.Value(), line, t.path()+name))
			return
		}
		it := t.items[name]
		if it == nil || it.table == nil {
			it = &item{line: line, kind: unstable.Table, table: &table{title: "[" + t.path() + name + "]", line: line}}
			t.put(name, it)
		}
		t = it.table
	}
}

func newItem(p *unstable.Parser, n *unstable.Node, line int, path string) *item {
	if n.Raw.Length > 0 {
		line = lineOf(p, n)
	}
	it := &item{line: line, kind: n.Kind}
	switch n.Kind {
	case unstable.Array:
		for c := n.Children(); c.Next(); {
			it.array = append(it.array, newItem(p, c.Node(), line, path))
		}
	case unstable.InlineTable:
		it.table = &table{title: "[" + path + "]", line: line}
		for c := n.Children(); c.Next(); {
			it.table.set(p, c.Node())
		}
	default:
		it.text = string(n.Data)
	}
	return it
}

// A Problem is one thing that is wrong with a file.
type Problem struct {
	Line int    `json:"line"`
	Text string `json:"text"` // and what to write instead
}

// An Error is all that is wrong with a file.
type Error struct {
	File     string
	Problems []Problem // in the order of lines
}

func (e *Error) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = fmt.Sprintf("%s:%d: %s", e.File, p.Line, p.Text)
	}
	return strings.Join(lines, "\n")
}

// A decoder takes values out of tables and notes what is wrong with them.
type decoder struct{ problems []Problem }

func (d *decoder) fail(line int, format string, args ...any) {
	d.problems = append(d.problems, Problem{line, fmt.Sprintf(format, args...)})
}

// ask returns what t has under a key, nil for nothing.
func (t *table) ask(key string) *item {
	t.asked = append(t.asked, key)
	return t.items[key]
}

// rest notes what is in t and was not asked for.
func (d *decoder) rest(t *table) {
	for _, key := range t.order {
		if !slices.Contains(t.asked, key) {
			d.fail(t.items[key].line, "unknown key %.60q in %s: want %s", key, t.title, alternatives(t.asked))
		}
	}
}

func alternatives(words []string) string {
	words = slices.Sorted(slices.Values(words))
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " or " + words[len(words)-1]
}

// text returns a string, and the line of it; "" for nothing.
func (d *decoder) text(t *table, key string) (string, int) {
	it := t.ask(key)
	if it == nil {
		return "", t.line
	}
	if it.kind != unstable.String {
		d.fail(it.line, "%s: want a string in quotes", key)
		return "", it.line
	}
	if strings.TrimSpace(it.text) == "" {
		d.fail(it.line, "%s is empty: remove it, or write something", key)
	}
	return it.text, it.line
}

func (d *decoder) flag(t *table, key string, otherwise bool) bool {
	it := t.ask(key)
	if it == nil {
		return otherwise
	}
	v, err := strconv.ParseBool(it.text)
	if it.kind != unstable.Bool || err != nil {
		d.fail(it.line, "%s: want true or false, without quotes", key)
	}
	return v
}

// texts returns an array of strings.
func (d *decoder) texts(t *table, key string) (all []*item) {
	it := t.ask(key)
	if it == nil {
		return nil
	}
	if it.kind != unstable.Array {
		d.fail(it.line, "%s: want an array of strings, [%q]", key, it.text)
		return nil
	}
	for _, v := range it.array {
		if v.kind != unstable.String || strings.TrimSpace(v.text) == "" {
			d.fail(v.line, "%s: want strings in quotes", key)
			continue
		}
		all = append(all, v)
	}
	return all
}

// table returns a table of t, nil for none.
func (d *decoder) table(t *table, key string) *table {
	it := t.ask(key)
	if it == nil {
		return nil
	}
	if it.table == nil {
		d.fail(it.line, "%s: want a table: [%s%s] on a line by itself", key, t.path(), key)
	}
	return it.table
}

// tables returns those with headers in double brackets, or an array of inline ones.
func (d *decoder) tables(t *table, key string) []*table {
	it := t.ask(key)
	if it == nil || it.tables != nil {
		if it == nil {
			return nil
		}
		return it.tables
	}
	var all []*table
	for _, v := range it.array {
		if v.table == nil {
			all = nil
			break
		}
		all = append(all, v.table)
	}
	if all == nil {
		d.fail(it.line, "%s: want tables: [[%s]] on a line by itself before each", key, key)
	}
	return all
}
