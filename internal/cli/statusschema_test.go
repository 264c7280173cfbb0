package cli

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/servecli"
)

const schemaFile = "../../docs/reference/status.schema.json"

// schema is the part of JSON Schema (draft 2020-12) that the answers need.
type schema struct {
	Schema      string             `json:"$schema,omitempty"`
	Title       string             `json:"title,omitempty"`
	Description string             `json:"description,omitempty"`
	Type        string             `json:"type,omitempty"`
	Format      string             `json:"format,omitempty"`
	AnyOf       []*schema          `json:"anyOf,omitempty"`
	Items       *schema            `json:"items,omitempty"`
	Required    []string           `json:"required,omitempty"`
	Properties  map[string]*schema `json:"properties,omitempty"`
}

// TestStatusSchema keeps docs/reference/status.schema.json what /api/status says: of a
// run, which run.json in the mirror's state folder is, too, and of a server. Fields may be
// added: go test ./internal/cli -run TestStatusSchema -update
func TestStatusSchema(t *testing.T) {
	run, serve := schemaOf(t, reflect.TypeFor[runstate.State]()), schemaOf(t, reflect.TypeFor[servecli.Status]())
	run.Title, serve.Title = "of a run, and run.json", "of serve"
	data, err := json.MarshalIndent(&schema{
		Schema: "https://json-schema.org/draft/2020-12/schema", Title: "/api/status of CloneCratesio", AnyOf: []*schema{run, serve},
	}, "", "  ")
	must(t, err)
	want := string(data) + "\n"
	if *update {
		must(t, os.WriteFile(schemaFile, []byte(want), 0o644))
		return
	}
	got, err := os.ReadFile(schemaFile)
	must(t, err)
	if diff := gocmp.Diff(want, strings.ReplaceAll(string(got), "\r\n", "\n")); diff != "" {
		t.Errorf("docs/reference/status.schema.json has drifted, rewrite it with -update (-want +got):\n%s", diff)
	}
}

func schemaOf(t *testing.T, of reflect.Type) *schema {
	t.Helper()
	switch {
	case of == reflect.TypeFor[time.Time]():
		return &schema{Type: "string", Format: "date-time"}
	case of.Kind() == reflect.Pointer:
		return schemaOf(t, of.Elem())
	case of.Kind() == reflect.Slice:
		return &schema{Type: "array", Items: schemaOf(t, of.Elem())}
	case of.Kind() == reflect.Struct:
		s := &schema{Type: "object", Properties: map[string]*schema{}}
		s.add(t, of)
		return s
	case of.Kind() == reflect.String:
		return &schema{Type: "string"}
	case of.Kind() == reflect.Bool:
		return &schema{Type: "boolean"}
	case of.Kind() != reflect.Float64:
		return &schema{Type: "integer"}
	}
	return &schema{Type: "number"}
}

// add adds the fields of a struct, and those of what is embedded in it.
func (s *schema) add(t *testing.T, of reflect.Type) {
	t.Helper()
	comments := fieldComments(t, of)
	for f := range of.Fields() {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		switch {
		case f.Anonymous:
			s.add(t, f.Type)
		case name != "" && name != "-":
			s.Properties[name] = schemaOf(t, f.Type)
			s.Properties[name].Description = comments[f.Name]
			if !strings.Contains(options, "omit") {
				s.Required = append(s.Required, name)
			}
		}
	}
}

// fieldComments are what the source says of the fields of a struct, in their lines.
func fieldComments(t *testing.T, of reflect.Type) map[string]string {
	t.Helper()
	comments := map[string]string{}
	_, dir, _ := strings.Cut(of.PkgPath(), "/internal/")
	files, err := filepath.Glob(filepath.Join("..", filepath.FromSlash(dir), "*.go"))
	must(t, err)
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ParseComments)
		must(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok || spec.Name.Name != of.Name() {
				return true
			}
			if body, ok := spec.Type.(*ast.StructType); ok {
				for _, f := range body.Fields.List {
					for _, name := range f.Names {
						comments[name.Name] = strings.TrimSpace(f.Comment.Text())
					}
				}
			}
			return false
		})
	}
	return comments
}
