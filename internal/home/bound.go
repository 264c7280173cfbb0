package home

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// Binding is a file in the state folder. It identifies the folder, and the mirror in a bucket
// that the folder belongs to. A folder that was never attached to a bucket has no Binding.
type Binding struct {
	ID     string `json:"id"`              // random, identifies the folder
	Mirror string `json:"mirror"`          // ID of the roots; empty: not attached yet
	Store  string `json:"store,omitempty"` // address of the bucket, for people
}

const (
	bindingName = "store.json"
	maxBinding  = 64 << 10 // bytes
)

// LoadBinding reads the binding. Errors: fs.ErrNotExist.
func LoadBinding(state durable.Reader) (b Binding, err error) {
	data, err := durable.ReadFile(state, bindingName, maxBinding)
	if err == nil {
		err = json.Unmarshal(data, &b)
	}
	if err != nil {
		err = fmt.Errorf("reading %s: %w", bindingName, err)
	}
	return b, err
}

// Save writes the binding.
func (b Binding) Save(state durable.FS) error {
	data, err := json.Marshal(b)
	if err != nil {
		return err
	}
	return durable.WriteFile(state, bindingName, append(data, '\n'))
}

// An InBucketError says that the bundles of a folder are in a bucket, but the command names no
// bucket. Without it, all their crates would be reported as missing, or downloaded again.
type InBucketError struct {
	Dir   string // the folder of the crates
	Store string // empty if unknown
}

func (e *InBucketError) Error() string {
	store := "URL"
	if e.Store != "" {
		store = "'" + e.Store + "'"
	}
	return fmt.Sprintf("the bundles of the mirror in %s are in a bucket, and without it they would be missing: give -store %s, with a command that has it", e.Dir, store)
}

// CheckWhole does what Check does, and also refuses folders whose bundles are in a bucket that
// Remote does not have. Errors: *NoMirrorError; *InBucketError.
func (d *Dirs) CheckWhole() error {
	if err := d.Check(); err != nil {
		return err
	}
	return d.CheckHere()
}

// CheckHere refuses folders whose bundles are in a bucket that Remote does not have.
// Errors: *InBucketError.
func (d *Dirs) CheckHere() error {
	if d.Remote != nil {
		return nil
	}
	state, err := OpenIfThere(d.State())
	if err != nil || state == nil {
		return err
	}
	defer state.Close()
	b, err := LoadBinding(state)
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && b.Mirror == "":
		return nil
	case err != nil:
		return err
	}
	return &InBucketError{d.Crates, b.Store}
}
