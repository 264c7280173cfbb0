// Typecheck checks the types of all packages and their tests, as a compiler does, for other
// systems than this one:
//
//	go run ./scripts/typecheck windows/amd64 darwin/arm64
//
// "go vet" does this, too, but compiles and examines every dependency for each system, above
// all SQLite, which takes minutes without a cache. This program reads only the declarations of
// dependencies and skips the bodies of their functions.
package main

import (
	"bufio"
	"bytes"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

func main() {
	log.SetFlags(0)
	flag.Parse()
	failed := false
	for _, system := range flag.Args() {
		goos, goarch, ok := strings.Cut(system, "/")
		if !ok {
			log.Fatalf("%q is no system, want GOOS/GOARCH", system)
		}
		errs, err := check(goos, goarch)
		if err != nil {
			log.Fatal(err)
		}
		for _, err := range errs {
			fmt.Printf("%s: %v\n", system, err)
			failed = true
		}
	}
	if failed {
		os.Exit(1)
	}
}

// A pkg is a package, or a variant of one with its tests, as "go list" describes it.
type pkg struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	ImportMap  map[string]string
	DepOnly    bool // not one of our packages
	Module     struct{ GoVersion string }
}

// check returns the type errors in our packages for a system.
func check(goos, goarch string) (errs []error, err error) {
	list := exec.Command("go", "list", "-deps", "-test", "-json=ImportPath,Dir,GoFiles,ImportMap,DepOnly,Module", "./...")
	list.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	c := &checker{files: token.NewFileSet(), sizes: types.SizesFor("gc", goarch), known: map[string]*types.Package{"unsafe": types.Unsafe}}
	dec := jsontext.NewDecoder(bufio.NewReader(bytes.NewReader(out)))
	for { // each package comes after those that it imports
		var p pkg
		if err := json.UnmarshalDecode(dec, &p); errors.Is(err, io.EOF) {
			return c.errs, nil
		} else if err != nil {
			return nil, fmt.Errorf("reading what go list says: %w", err)
		}
		if err := c.check(&p); err != nil {
			return nil, err
		}
	}
}

type checker struct {
	files *token.FileSet
	sizes types.Sizes
	known map[string]*types.Package
	errs  []error
}

func (c *checker) check(p *pkg) error {
	if p.ImportPath == "unsafe" || strings.HasSuffix(p.ImportPath, ".test") { // the generated main of a test
		return nil
	}
	var files []*ast.File
	for _, name := range p.GoFiles {
		f, err := parser.ParseFile(c.files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	conf := types.Config{
		Importer: importer{c.known, p.ImportMap}, Sizes: c.sizes, IgnoreFuncBodies: p.DepOnly,
		Error: func(err error) {
			if !p.DepOnly {
				c.errs = append(c.errs, err)
			}
		},
	}
	if p.Module.GoVersion != "" {
		conf.GoVersion = "go" + p.Module.GoVersion
	}
	path, _, _ := strings.Cut(p.ImportPath, " ")
	c.known[p.ImportPath], _ = conf.Check(path, c.files, files, nil) // conf.Error collects the errors
	return nil
}

// importer returns the packages that were checked before.
type importer struct {
	known map[string]*types.Package
	names map[string]string // by import path, where it differs from the name
}

func (i importer) Import(path string) (*types.Package, error) {
	if name, ok := i.names[path]; ok {
		path = name
	}
	if p := i.known[path]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("package %s is not among what go list says", path)
}
