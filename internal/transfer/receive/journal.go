package receive

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/go-json-experiment/json"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/index/clone"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

const journalName = "received.json"

// A journal records the point of a mirror.
type journal struct {
	At transfer.Point // zero: no imports yet
	// Pending is the end of the transfer that is being imported, or that was before At;
	// zero: none.
	Pending transfer.Point
	Before  before // state before Pending was imported
	// Undone is the point from which the mirror went back to At; zero: it did not come
	// there that way.
	Undone transfer.Point `json:",omitzero"`
}

// before is the earlier state of a mirror.
type before struct {
	At   transfer.Point
	Refs clone.Refs // of the index
}

// readJournal reads the journal of a mirror, which need not exist.
func readJournal(d *home.Dirs) (j journal, err error) {
	state, err := home.OpenIfThere(d.State())
	if err != nil || state == nil {
		return j, err
	}
	defer state.Close()
	f, err := state.Open(journalName)
	if errors.Is(err, fs.ErrNotExist) {
		return j, nil
	}
	if err != nil {
		return j, err
	}
	defer f.Close()
	var b bytes.Buffer
	if _, err = io.Copy(&b, io.LimitReader(f, 64<<20)); err == nil {
		err = json.Unmarshal(b.Bytes(), &j)
	}
	if err != nil {
		return j, fmt.Errorf("reading %s, which says at which point the mirror is: %w", journalName, err)
	}
	return j, nil
}

func (j *journal) write(state durable.FS) error {
	data, err := json.Marshal(j)
	if err != nil {
		return err
	}
	return durable.WriteFile(state, journalName, data)
}

// At returns the point of a mirror; zero: no imports yet.
func At(d *home.Dirs) (transfer.Point, error) {
	j, err := readJournal(d)
	return j.At, err
}
