// Package draw makes the picture of the house from what is written in it: the floors
// of internal/layers_test.go with their titles, and the imports of every package.
//
// It reads source files and runs nothing, so that a test can ask within a moment
// whether the picture is still true.
package draw

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// File is where the picture is, below the root of the repository.
const File = "docs/Architecture.svg"

const (
	module = "github.com/APTlantis/Mirror-Rust-Crates/"
	layers = "internal/layers_test.go"
)

// A floor has rooms that do not know each other, and a title.
type floor struct {
	title string
	rooms []string // packages, as in "internal/index"; "cmd" is all below it
}

// House draws the house whose repository is at root.
func House(root string) ([]byte, error) {
	floors, err := readFloors(filepath.Join(root, filepath.FromSlash(layers)))
	if err != nil {
		return nil, fmt.Errorf("reading the floors of %s: %w", layers, err)
	}
	needs, err := readImports(root, floors)
	if err != nil {
		return nil, fmt.Errorf("reading imports: %w", err)
	}
	return picture(floors, reduce(needs)), nil
}

// readFloors finds the variable floors; a comment before the first room of each is
// its title.
func readFloors(file string) (floors []floor, err error) {
	set := token.NewFileSet()
	f, err := parser.ParseFile(set, file, nil, parser.ParseComments)
	if err != nil {
		return nil, err
	}
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || spec.Names[0].Name != "floors" {
			return true
		}
		for _, e := range spec.Values[0].(*ast.CompositeLit).Elts {
			floors = append(floors, readFloor(f, e.(*ast.CompositeLit)))
		}
		return false
	})
	if floors == nil {
		err = fmt.Errorf("there is no variable floors")
	}
	return floors, err
}

func readFloor(f *ast.File, lit *ast.CompositeLit) (fl floor) {
	for _, e := range lit.Elts {
		room, _ := strconv.Unquote(e.(*ast.BasicLit).Value)
		fl.rooms = append(fl.rooms, room)
	}
	for _, c := range f.Comments {
		if lit.Lbrace < c.Pos() && c.Pos() < lit.Elts[0].Pos() {
			fl.title = strings.TrimSpace(c.Text())
		}
	}
	return fl
}

// readImports returns which rooms each room imports, tests aside.
func readImports(root string, floors []floor) (map[string]map[string]bool, error) {
	needs := map[string]map[string]bool{}
	for _, f := range floors {
		for _, room := range f.rooms {
			needs[room] = map[string]bool{}
			if err := readRoom(root, room, needs[room]); err != nil {
				return nil, err
			}
		}
	}
	for _, of := range needs {
		maps.DeleteFunc(of, func(room string, _ bool) bool { return needs[room] == nil })
	}
	return needs, nil
}

func readRoom(root, room string, needs map[string]bool) error {
	top := filepath.Join(root, filepath.FromSlash(room))
	return filepath.WalkDir(top, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != top && room != "cmd":
			return filepath.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, imp := range f.Imports {
			name, _ := strconv.Unquote(imp.Path.Value)
			if target, ok := strings.CutPrefix(name, module); ok {
				needs[target] = true
			}
		}
		return nil
	})
}

// reduce leaves out what a room needs of the rooms that it needs anyway: the arrows
// that are left tell the rest.
func reduce(needs map[string]map[string]bool) map[string][]string {
	left := map[string][]string{}
	for room, of := range needs {
		beyond := map[string]bool{}
		for via := range of {
			follow(needs, via, beyond)
		}
		for _, to := range slices.Sorted(maps.Keys(of)) {
			if !beyond[to] {
				left[room] = append(left[room], to)
			}
		}
	}
	return left
}

// follow adds all that a room needs, and what those need, to found.
func follow(needs map[string]map[string]bool, room string, found map[string]bool) {
	for to := range needs[room] {
		if !found[to] {
			found[to] = true
			follow(needs, to, found)
		}
	}
}

// label is the name by which a room is known.
func label(room string) string {
	if dir, name := path.Split(room); dir == "internal/" {
		return name
	}
	return strings.TrimPrefix(room, "internal/")
}
