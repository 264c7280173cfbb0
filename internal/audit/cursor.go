package audit

import (
	"encoding/json"
	"errors"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

// cursorName is the file in a state folder that records the progress of a sweep.
const cursorName = "verify-store.json"

const maxCursor = 4 << 10 // bytes

// Cursor is the progress of a sweep over a bucket, which may take many runs.
type Cursor struct {
	Mirror string `json:"mirror"` // the ID of the mirror's root; a run over another mirror starts again
	After  string `json:"after"`  // every key up to this one was checked
}

// ReadCursor reads the cursor of a mirror. It returns the zero Cursor if there is none.
func ReadCursor(state durable.Reader, mirror string) (Cursor, error) {
	none := Cursor{Mirror: mirror}
	data, err := durable.ReadFile(state, cursorName, maxCursor)
	if errors.Is(err, fs.ErrNotExist) {
		return none, nil
	}
	if err != nil {
		return none, err
	}
	var c Cursor
	if json.Unmarshal(data, &c) != nil || c.Mirror != mirror {
		return none, nil
	}
	return c, nil
}

// Write writes the cursor durably.
func (c Cursor) Write(state durable.FS) error {
	data, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return durable.WriteFile(state, cursorName, append(data, '\n'))
}
