package internal_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// TestWordsOfComments: comments, those of tests too, use the words that users read.
func TestWordsOfComments(t *testing.T) {
	checked := 0
	for _, dir := range []string{"../internal", "../cmd", "../scripts"} {
		err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(file, ".go") {
				return err
			}
			checked++
			return checkComments(t, file)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if checked < 1000 {
		t.Errorf("%d files were checked, want all", checked)
	}
}

// checkComments checks each comment of a file by itself, so that a word that is broken
// over two lines is found.
func checkComments(t *testing.T, file string) error {
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, file, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, group := range parsed.Comments {
		text := strings.Join(strings.Fields(group.Text()), " ")
		checkWords(t, fset.Position(group.Pos()).String(), text)
	}
	return nil
}
