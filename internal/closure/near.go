package closure

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
)

// maxSeparators bounds how many spellings of a name are tried: two to its power.
const maxSeparators = 5

// near returns a crate of the index that differs from name only in "-" and "_", or "".
// crates.io does not allow two such crates, so it is the one that is meant. "cargo add"
// accepts either spelling; a Cargo.toml must use the right one.
func (c *computation) near(ctx context.Context, name string) (string, error) {
	var at []int
	for i := range len(name) {
		if name[i] == '-' || name[i] == '_' {
			at = append(at, i)
		}
	}
	if len(at) > maxSeparators {
		return "", nil
	}
	for choice := range 1 << len(at) {
		spelling := []byte(name)
		for bit, i := range at {
			spelling[i] = "_-"[choice>>bit&1]
		}
		if string(spelling) == name {
			continue
		}
		file, err := c.lookup.Crate(ctx, string(spelling))
		if err == nil && len(file.Entries) > 0 {
			return file.Entries[0].Name, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
	}
	return "", nil
}

// absent reports that there is no such crate, and which one may be meant.
func (n *node) absent() error {
	const text = "there is no such crate in the index"
	if n.nearby == "" || strings.EqualFold(n.nearby, n.name) {
		return errors.New(text)
	}
	return fmt.Errorf("%s, but %s is there", text, n.nearby)
}
