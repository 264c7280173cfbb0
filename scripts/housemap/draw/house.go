// Package draw draws the packages of the house, from the floors in internal/layers_test.go
// with their titles, and from the imports of every package.
//
// It only parses source files, so that a test can check quickly whether the picture is up to
// date.
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

// File is the path of the picture in the repository.
const File = "docs/Architecture.svg"

const (
	module = "github.com/APTlantis/Mirror-Rust-Crates/"
	layers = "internal/layers_test.go"
)

// A floor has a title, and rooms that do not import each other.
type floor struct {
	title string
	rooms []string // packages, such as "internal/index"; "cmd" is everything below it
}

// House returns the picture, in SVG, of the repository at root.
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

// readFloors reads the variable floors; a comment before the first room of each floor is its
// title.
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

// readImports returns which rooms each room imports, not counting tests.
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

// reduce omits imports that other imports imply. The remaining arrows still show all
// dependencies.
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

// follow adds to found all rooms that a room needs, directly or indirectly.
func follow(needs map[string]map[string]bool, room string, found map[string]bool) {
	for to := range needs[room] {
		if !found[to] {
			found[to] = true
			follow(needs, to, found)
		}
	}
}

// label returns the name of a room in the picture.
func label(room string) string {
	if dir, name := path.Split(room); dir == "internal/" {
		return name
	}
	return strings.TrimPrefix(room, "internal/")
}
