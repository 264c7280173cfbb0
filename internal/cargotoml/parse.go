package cargotoml

import (
	"errors"
	"fmt"

	"github.com/pelletier/go-toml/v2"
)

// Parse reads the text of a Cargo.toml. What is not in its [package] table, or
// is not a field of Package, may be anything that is TOML.
func Parse(text []byte) (Package, error) {
	var file struct {
		Package *Package `toml:"package"`
		Project *Package `toml:"project"` // as it was called before 2015; cargo took it until 2024
	}
	if err := toml.Unmarshal(text, &file); err != nil {
		return Package{}, locate(err)
	}
	switch {
	case file.Package != nil:
		return *file.Package, nil
	case file.Project != nil:
		return *file.Project, nil
	}
	return Package{}, errors.New("there is no [package]")
}

// locate says where an error is.
func locate(err error) error {
	if at, ok := errors.AsType[*toml.DecodeError](err); ok {
		row, _ := at.Position()
		return fmt.Errorf("line %d: %w", row, err)
	}
	return err
}
