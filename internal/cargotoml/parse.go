package cargotoml

import (
	"errors"
	"fmt"

	"github.com/pelletier/go-toml/v2/unstable"
)

// Parse parses the text of a Cargo.toml. Outside the [package] table and the fields of
// Package it accepts anything that looks like TOML.
//
// It uses the library's parser without its decoder. The decoder looks for duplicate keys in
// the whole document, in time quadratic in their number: a MiB of keys, from a crate file
// of some 100 KB, takes minutes. So a duplicate key is an error only if it is one of ours.
func Parse(text []byte) (Package, error) {
	d := decoder{seen: map[string]bool{}}
	d.parser.Reset(text)
	for d.parser.NextExpression() {
		if err := d.expression(d.parser.Expression()); err != nil {
			return Package{}, d.locate(err)
		}
	}
	if err := d.parser.Error(); err != nil {
		return Package{}, d.locate(err)
	}
	switch {
	case d.seen["package"]:
		return d.pkg, nil
	case d.seen["project"]:
		return d.project, nil
	}
	return Package{}, errors.New("no [package] table")
}

// decoder reads one Cargo.toml, expression by expression.
type decoder struct {
	parser  unstable.Parser
	table   []string // the current table
	pkg     Package
	project Package         // the name of [package] before 2015; cargo accepted it until 2024
	seen    map[string]bool // our tables and fields
}

// pathLength is the length of the paths of our fields: package.license.
const pathLength = 2

// pathOf appends a key to the path of its table. It shortens paths deeper than our fields.
func pathOf(table []string, key unstable.Iterator) []string {
	path := table[:len(table):len(table)]
	for key.Next() && len(path) <= pathLength {
		path = append(path, string(key.Node().Data))
	}
	return path
}

func (d *decoder) expression(e *unstable.Node) error {
	switch e.Kind {
	case unstable.Table, unstable.ArrayTable:
		d.table = pathOf(nil, e.Key())
		if p := d.packageOf(d.table); p == nil || len(d.table) > 1 {
			return nil
		}
		if e.Kind == unstable.ArrayTable {
			return d.wrong(e, "[["+d.table[0]+"]] is not a table")
		}
		d.seen[d.table[0]] = true
		return nil
	case unstable.KeyValue:
		return d.keyValue(d.table, e)
	}
	return nil
}

// packageOf returns the Package that a path leads into, or nil.
func (d *decoder) packageOf(path []string) *Package {
	switch {
	case len(path) == 0:
		return nil
	case path[0] == "package":
		return &d.pkg
	case path[0] == "project":
		return &d.project
	}
	return nil
}

func (d *decoder) keyValue(table []string, e *unstable.Node) error {
	path := pathOf(table, e.Key())
	p := d.packageOf(path)
	if p == nil {
		return nil
	}
	value := e.Value()
	d.seen[path[0]] = true
	if len(path) == 1 { // package = { license = "MIT" }
		if value.Kind != unstable.InlineTable {
			return d.wrong(e, path[0]+" is not a table")
		}
		for field := value.Children(); field.Next(); {
			if err := d.keyValue(path, field.Node()); err != nil {
				return err
			}
		}
		return nil
	}
	if path[1] == "readme" && len(path) == pathLength && value.Kind == unstable.String {
		p.Readme = string(value.Data) // it may be false, too; nothing depends on it
	}
	text, list := p.field(path[1])
	if text == nil && list == nil {
		return nil
	}
	name := path[0] + "." + path[1]
	switch {
	case len(path) > pathLength: // license.workspace = true, which cargo never publishes
		return d.wrong(e, name+" is a table")
	case d.seen[name]:
		return d.wrong(e, name+" is there twice")
	}
	d.seen[name] = true
	if text != nil && !readText(value, text) {
		return d.wrong(e, name+" is not a string")
	}
	if list != nil && !readList(value, list) {
		return d.wrong(e, name+" is not a list of strings")
	}
	return nil
}

// field returns a pointer to the field of that name: one of the two, or neither.
func (p *Package) field(name string) (*string, *[]string) {
	switch name {
	case "description":
		return &p.Description, nil
	case "license":
		return &p.License, nil
	case "license-file":
		return &p.LicenseFile, nil
	case "repository":
		return &p.Repository, nil
	case "homepage":
		return &p.Homepage, nil
	case "documentation":
		return &p.Documentation, nil
	case "edition":
		return &p.Edition, nil
	case "categories":
		return nil, &p.Categories
	case "keywords":
		return nil, &p.Keywords
	}
	return nil, nil
}

func readText(value *unstable.Node, into *string) bool {
	*into = string(value.Data)
	return value.Kind == unstable.String
}

func readList(value *unstable.Node, into *[]string) bool {
	*into = []string{}
	for item := value.Children(); item.Next(); {
		var s string
		if !readText(item.Node(), &s) {
			return false
		}
		*into = append(*into, s)
	}
	return value.Kind == unstable.Array
}

// wrong returns an error at the line of an expression.
func (d *decoder) wrong(e *unstable.Node, what string) error {
	key := e.Key()
	key.Next()
	return unstable.NewParserError(d.parser.Raw(key.Node().Raw), "%s", what)
}

// locate adds the position to an error.
func (d *decoder) locate(err error) error {
	at, ok := errors.AsType[*unstable.ParserError](err)
	if !ok {
		return err
	}
	return fmt.Errorf("line %d: toml: %s", d.parser.Shape(d.parser.Range(at.Highlight)).Start.Line, at.Message)
}
