package tomlfile

import (
	"bytes"
	"errors"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// A Table is a table of a TOML file, with line numbers. go-toml stops at the first value of
// a wrong type and only reports lines of its own errors, but authors of a policy want all
// problems at once.
type Table struct {
	Title string // its name in messages
	Line  int
	order []string
	items map[string]*Item
	asked []string // keys that were read; others are unknown
}

// An Item is a value.
type Item struct {
	Line   int
	kind   unstable.Kind
	Text   string // unless it is an array or table
	array  []*Item
	table  *Table   // an inline one, or one with a header
	tables []*Table // from headers in double brackets
}

// Parse parses a whole file, which may begin with a UTF-8 byte order mark. Errors: an
// [*Error] about the first line that is not TOML.
func Parse(data []byte) (*Table, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	// It finds what a tree does not show: duplicate keys, and a table that is another
	// value.
	if err := toml.Unmarshal(data, new(map[string]any)); err != nil {
		if bad, ok := errors.AsType[*toml.DecodeError](err); ok {
			line, _ := bad.Position()
			return nil, &Error{Problems: []Problem{{Line: line, Text: strings.TrimPrefix(bad.Error(), "toml: ")}}}
		}
		return nil, err
	}
	root := &Table{Title: "the file", Line: 1}
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
func (t *Table) header(p *unstable.Parser, key unstable.Iterator, array bool) *Table {
	for key.Next() {
		name, line := string(key.Node().Data), lineOf(p, key.Node())
		it := t.items[name]
		if it == nil {
			it = &Item{Line: line, kind: unstable.Table}
			t.put(name, it)
		}
		switch {
		case array && key.IsLast():
			it.tables = append(it.tables, &Table{Title: "[[" + name + "]]", Line: line})
			it.kind = unstable.ArrayTable
			t = it.tables[len(it.tables)-1]
		case len(it.tables) > 0:
			t = it.tables[len(it.tables)-1]
		default:
			if it.table == nil {
				it.table = &Table{Title: "[" + t.path() + name + "]", Line: line}
			}
			t = it.table
		}
	}
	return t
}

// path returns the prefix of the titles of tables in t.
func (t *Table) path() string {
	if strings.HasPrefix(t.Title, "[") {
		return strings.Trim(t.Title, "[]") + "."
	}
	return ""
}

func (t *Table) put(name string, it *Item) {
	if t.items == nil {
		t.items = map[string]*Item{}
	}
	t.items[name] = it
	t.order = append(t.order, name)
}

// set sets a key in t; the key may have dots.
func (t *Table) set(p *unstable.Parser, e *unstable.Node) {
	key := e.Key()
	for key.Next() {
		name, line := string(key.Node().Data), lineOf(p, key.Node())
		if key.IsLast() {
			t.put(name, newItem(p, e.Value(), line, t.path()+name))
			return
		}
		it := t.items[name]
		if it == nil || it.table == nil {
			it = &Item{Line: line, kind: unstable.Table, table: &Table{Title: "[" + t.path() + name + "]", Line: line}}
			t.put(name, it)
		}
		t = it.table
	}
}

func newItem(p *unstable.Parser, n *unstable.Node, line int, path string) *Item {
	if n.Raw.Length > 0 {
		line = lineOf(p, n)
	}
	it := &Item{Line: line, kind: n.Kind}
	switch n.Kind {
	case unstable.Array:
		for c := n.Children(); c.Next(); {
			it.array = append(it.array, newItem(p, c.Node(), line, path))
		}
	case unstable.InlineTable:
		it.table = &Table{Title: "[" + path + "]", Line: line}
		for c := n.Children(); c.Next(); {
			it.table.set(p, c.Node())
		}
	default:
		it.Text = string(n.Data)
	}
	return it
}

// Keys returns the keys of t, in the order of the file.
func (t *Table) Keys() []string { return t.order }

// Has reports whether t has a key.
func (t *Table) Has(key string) bool { return t.items[key] != nil }

// IsTable reports whether t has a table under a key.
func (t *Table) IsTable(key string) bool { return t.Has(key) && t.items[key].table != nil }

// LineOf returns the line of a key that t has.
func (t *Table) LineOf(key string) int { return t.items[key].Line }

// ask returns the value of a key in t, or nil, and marks it as read.
func (t *Table) ask(key string) *Item {
	t.asked = append(t.asked, key)
	return t.items[key]
}
