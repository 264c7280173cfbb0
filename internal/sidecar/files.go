package sidecar

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store/loose"
)

// Ext is the suffix of a sidecar's name after the name of the crate file.
const Ext = ".json"

// WorkDir is where sidecars are written before they get their names, below the folder of
// sidecars. Opening the folder empties it.
const WorkDir = loose.StateDir + "/sidecars"

// Files writes sidecars as separate files, in the shard layout.
//
// Sidecars are written to WorkDir, and some ten thousand at a time get their names by a
// [durable.Batch]. A kill loses those that have no name yet.
type Files struct {
	fsys    durable.FS
	batch   *durable.Batch
	kept    int64             // since the last commit
	waiting []*durable.Staged // written, not published yet
}

var _ Output = (*Files)(nil)

// commitFiles is the number of sidecars that get their names at a time.
const commitFiles = 1 << 14

// NewFiles opens the folder of sidecars. The caller ensures that no other process writes
// sidecars there; a mirror may be written beside them.
func NewFiles(fsys durable.FS) (*Files, error) {
	o := &Files{fsys: fsys, batch: durable.NewBatch(fsys, WorkDir, durable.Together)}
	if err := o.batch.Clear(); err != nil {
		return nil, fmt.Errorf("clearing temporary files of an earlier run: %w", err)
	}
	return o, nil
}

// SidecarPath returns the slash-separated path of a version's sidecar.
func SidecarPath(id crate.ID) string { return id.LoosePath() + Ext }

// indented is the format of a file, which is v1.1.0's.
var indented = json.JoinOptions(asItIs, jsontext.ReorderRawObjects(true), jsontext.WithIndent("  "))

func (o *Files) has(rec *record) bool {
	_, err := o.fsys.Stat(SidecarPath(rec.ID))
	return !errors.Is(err, fs.ErrNotExist)
}

func (o *Files) encode(b *batch) error {
	for i := range b.records {
		rec := &b.records[i]
		if rec.skip || rec.err != nil {
			continue
		}
		var text jsontext.Value
		if text, rec.err = b.appendSidecar(b.out[:0], i); rec.err == nil {
			b.out = text[:0]
			rec.err = text.Format(indented)
		}
		if rec.err == nil {
			rec.err = o.put(b, rec, append(text, '\n'))
		}
		if durable.IsBroken(rec.err) {
			return fmt.Errorf("%s: %w", rec.ID, rec.err)
		}
	}
	return nil
}

// put writes a sidecar unless the existing file is the same.
func (o *Files) put(b *batch, rec *record, text []byte) error {
	name := SidecarPath(rec.ID)
	same, err := o.holds(name, text)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if same {
		b.kept++
		return nil
	}
	f, err := o.batch.Stage(name, bytes.NewReader(text))
	if err != nil {
		return err
	}
	b.fresh = append(b.fresh, f)
	return nil
}

// holds reports whether a file has exactly this content.
func (o *Files) holds(name string, text []byte) (bool, error) {
	f, err := o.fsys.Open(name)
	if err != nil {
		return false, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() != int64(len(text)) {
		return false, err
	}
	there := make([]byte, len(text))
	if _, err := io.ReadFull(f, there); err != nil {
		return false, err
	}
	return bytes.Equal(there, text), nil
}
