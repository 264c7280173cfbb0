package bucket

import (
	"errors"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// maxRemembered bounds the state of an upload: 10,000 parts of some 150 bytes.
const maxRemembered = 4 << 20

// InFile stores the state of an upload in a file, whose folder must exist.
func InFile(fsys durable.FS, name string) Parts { return inFile{fsys, name} }

type inFile struct {
	fsys durable.FS
	name string
}

func (f inFile) Load() ([]byte, error) {
	data, err := durable.ReadFile(f.fsys, f.name, maxRemembered)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return data, err
}

func (f inFile) Save(state []byte) error {
	if state != nil {
		return durable.WriteFile(f.fsys, f.name, state)
	}
	if err := f.fsys.Remove(f.name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
