package tomlfile

import (
	"bytes"
	"errors"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// A Table is one of a TOML file, with the lines of what is in it. go-toml itself stops at
// the first value of a wrong kind and tells lines of errors that it finds itself alone; who
// writes a policy wants all that is wrong with it at once.
type Table struct {
	Title string // as it is called in messages
	Line  int
	order []string
	items map[string]*Item
	asked []string // for; what was not is unknown
}

// An Item is a value.
type Item struct {
	Line   int
	kind   unstable.Kind
	Text   string // of all that is no array or table
	array  []*Item
	table  *Table   // an inline one, or one with a header
	tables []*Table // of headers in double brackets
}

// Parse reads a whole file, which may begin with the mark of UTF-8. Errors: an [*Error], of
// the first line that is no TOML.
func Parse(data []byte) (*Table, error) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	// It finds what no tree shows: keys that are there twice, a table that is no table.
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

// path is what the titles of tables in t begin with.
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

// set puts a key and its value into t; the key may have dots.
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

// Keys are those of t, in the order of the file.
func (t *Table) Keys() []string { return t.order }

// Has says whether t has a key.
func (t *Table) Has(key string) bool { return t.items[key] != nil }

// IsTable says whether t has a table under a key.
func (t *Table) IsTable(key string) bool { return t.Has(key) && t.items[key].table != nil }

// LineOf is the line of a key that t has.
func (t *Table) LineOf(key string) int { return t.items[key].Line }

// ask returns what t has under a key, nil for nothing.
func (t *Table) ask(key string) *Item {
	t.asked = append(t.asked, key)
	return t.items[key]
}
