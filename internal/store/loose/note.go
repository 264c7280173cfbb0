package loose

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"path"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
)

// note is written beside a file in quarantine, as {file}.json; a note on a member of a
// bundle stands alone. Earlier programs wrote no kind, checksums or settled, and an empty
// file beside a note on a member.
type note struct {
	Crate   string             `json:"crate"`
	Version string             `json:"version"`
	Kind    store.EvidenceKind `json:"kind,omitzero"`
	Reason  string             `json:"reason"`
	Want    string             `json:"want,omitzero"`
	Got     string             `json:"got,omitzero"`
	Time    string             `json:"time"`
	Settled string             `json:"settled,omitzero"`
}

const noteExt = ".json"

// maxNote bounds a note that is read, in bytes; maxReason bounds the reason in one that is
// written, which JSON makes at most six times as long.
const (
	maxNote   = 64 << 10
	maxReason = 8 << 10
)

// annotate writes or replaces the note of a file in quarantine: what comes again is no
// longer settled.
func (s *Store) annotate(file string, n note, id crate.ID) error {
	n.Crate, n.Version, n.Time = id.Name, id.Version, time.Now().UTC().Format(time.RFC3339)
	return s.writeNote(file, n)
}

func (s *Store) writeNote(file string, n note) error {
	n.Reason = n.Reason[:min(len(n.Reason), maxReason)]
	data, err := json.Marshal(n, jsontext.WithIndent("  "), jsontext.AllowInvalidUTF8(true))
	if err != nil {
		return err
	}
	return durable.WriteFile(s.fsys, file+noteExt, append(data, '\n'))
}

// QuarantineChanged returns when something in quarantine was last added, removed or
// settled. Errors: fs.ErrNotExist if there is no quarantine.
func (s *Store) QuarantineChanged() (time.Time, error) {
	info, err := s.fsys.Stat(QuarantineDir)
	if err != nil {
		return time.Time{}, err
	}
	return info.ModTime(), nil
}

// Evidence implements store.Quarantiner.
func (s *Store) Evidence() iter.Seq2[store.Evidence, error] {
	return func(yield func(store.Evidence, error) bool) {
		entries, err := s.fsys.ReadDir(QuarantineDir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			yield(store.Evidence{}, err)
			return
		}
		there := make(map[string]bool, len(entries))
		for _, e := range entries {
			there[e.Name()] = true
		}
		for _, e := range entries {
			file, isNote := strings.CutSuffix(e.Name(), noteExt)
			if durable.IsTemp(e.Name()) || isNote && there[file] {
				continue
			}
			ev, err := s.evidence(path.Join(QuarantineDir, file))
			if err == nil && isNote && ev.Kind != store.Member {
				continue // its file was removed
			}
			if !yield(ev, err) || err != nil {
				return
			}
		}
	}
}

// evidence reads the note of a file. Without a note, or with an invalid one, the file is
// evidence with only its name.
func (s *Store) evidence(file string) (store.Evidence, error) {
	n, err := s.readNote(file)
	if err != nil {
		return store.Evidence{}, err
	}
	e := store.Evidence{File: file, ID: crate.ID{Name: n.Crate, Version: n.Version}, Kind: n.Kind, Reason: n.Reason}
	if e.ID == (crate.ID{}) {
		e.ID = idOf(file)
	}
	if e.Kind == "" {
		e.Kind = kindOf(file, n.Reason)
	}
	e.Want, _ = crate.ParseChecksum(n.Want) // zero if unknown
	e.Got, _ = crate.ParseChecksum(n.Got)
	e.Time, _ = time.Parse(time.RFC3339, n.Time)
	e.Settled, _ = time.Parse(time.RFC3339, n.Settled)
	return e, nil
}

func (s *Store) readNote(file string) (n note, err error) {
	data, err := durable.ReadFile(s.fsys, file+noteExt, maxNote)
	if errors.Is(err, fs.ErrNotExist) {
		return note{Reason: "there is no note"}, nil
	}
	if err == nil {
		err = json.Unmarshal(data, &n, jsontext.AllowInvalidUTF8(true))
	} else if !errors.Is(err, durable.ErrTooLarge) {
		return n, fmt.Errorf("reading the note of %s: %w", file, err)
	}
	if err != nil {
		return note{Reason: fmt.Sprintf("its note cannot be read: %v", err)}, nil
	}
	return n, nil
}

// idOf returns the crate with whose file name the name of a file begins, if any.
func idOf(file string) crate.ID {
	for _, infix := range []string{foundInfix, sentInfix, memberInfix} {
		if name, _, ok := strings.Cut(path.Base(file), infix); ok {
			if id, err := crate.ParseFileName(name); err == nil {
				return id
			}
		}
	}
	return crate.ID{}
}

// kindOf returns the kind of evidence that an earlier program stored.
func kindOf(file, reason string) store.EvidenceKind {
	switch {
	case !strings.Contains(file, sentInfix):
		return store.Found
	case strings.HasPrefix(reason, "at offset "):
		return store.Member
	}
	return store.Sent
}

// Settle implements store.Quarantiner. It needs no lock, because a note is replaced in one
// step.
func (s *Store) Settle(e store.Evidence, when time.Time) error {
	n, err := s.readNote(e.File)
	if err != nil {
		return err
	}
	n.Crate, n.Version, n.Kind, n.Reason = e.Name, e.Version, e.Kind, e.Reason
	n.Settled = when.UTC().Format(time.RFC3339)
	if err := s.writeNote(e.File, n); err != nil {
		return fmt.Errorf("settling %s: %w", e.File, err)
	}
	return nil
}

// Quarantined implements store.Quarantiner.
func (s *Store) Quarantined() (int, error) {
	unsettled, _, err := store.CountEvidence(s.Evidence())
	return unsettled, err
}
