package signing

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Seal makes a signed note from a text and at least one signature.
func Seal(text []byte, sigs ...Signature) ([]byte, error) {
	if err := checkText(text); err != nil {
		return nil, err
	}
	if len(sigs) == 0 {
		return nil, errors.New("a note without signatures")
	}
	n := note.Note{Text: string(text)}
	for _, s := range sigs {
		if err := s.By.verify(text, s.raw); err != nil {
			return nil, fmt.Errorf("a signature by %s that is of another text: %w", s.By.name, err)
		}
		raw := append(binary.BigEndian.AppendUint32(nil, s.By.id), s.raw...)
		n.Sigs = append(n.Sigs, note.Signature{Name: s.By.name, Hash: s.By.id, Base64: base64.StdEncoding.EncodeToString(raw)})
	}
	msg, err := note.Sign(&n)
	if err == nil && len(msg) > MaxNote {
		err = fmt.Errorf("a signed note of more than %d bytes", MaxNote)
	}
	return msg, err
}

// Open verifies a signed note. It returns its text, and the signatures by the given keys,
// in the order of the note. It ignores signatures by other keys. Errors:
// [*UnknownSignersError] if none of the keys has signed it; another error if the signature
// of one of them is wrong, even if others are right.
func Open(msg []byte, keys ...*Verifier) (text []byte, sigs []Signature, err error) {
	if len(msg) > MaxNote {
		return nil, nil, fmt.Errorf("opening a signed note: more than %d bytes", MaxNote)
	}
	var known []note.Verifier
	given := map[string]bool{}
	for _, key := range keys {
		if !given[key.text] { // duplicates would be ambiguous
			known = append(known, &noteVerifier{Verifier: key})
		}
		given[key.text] = true
	}
	n, err := note.Open(msg, note.VerifierList(known...))
	if err != nil {
		return nil, nil, fmt.Errorf("opening a signed note: %w", noteError(err, known))
	}
	for _, s := range n.Sigs {
		for _, v := range known {
			key := v.(*noteVerifier)
			if s.Name != key.Name() || s.Hash != key.id {
				continue
			}
			raw, err := base64.StdEncoding.DecodeString(s.Base64)
			if err != nil || base64.StdEncoding.EncodeToString(raw) != s.Base64 {
				return nil, nil, fmt.Errorf("opening a signed note: the signature by %s is not in canonical base64", s.Name)
			}
			sigs = append(sigs, Signature{By: key.Verifier, raw: raw[4:]})
		}
	}
	return []byte(n.Text), sigs, nil
}

// noteVerifier is a Verifier for package note that also remembers the reason of a failure.
type noteVerifier struct {
	*Verifier
	err error // what was wrong with the signature
}

func (v *noteVerifier) KeyHash() uint32 { return v.id }

func (v *noteVerifier) Verify(text, raw []byte) bool {
	v.err = v.verify(text, raw)
	return v.err == nil
}

// noteError adds the reason to an error of package note.
func noteError(err error, known []note.Verifier) error {
	if unverified := new(note.UnverifiedNoteError); errors.As(err, &unverified) {
		unknown := new(UnknownSignersError)
		for _, s := range unverified.Note.UnverifiedSigs {
			unknown.Signers = append(unknown.Signers, keyString(s.Name, s.Hash))
		}
		for _, v := range known {
			unknown.Known = append(unknown.Known, keyString(v.Name(), v.KeyHash()))
		}
		return unknown
	}
	for _, v := range known {
		if wrong := v.(*noteVerifier); wrong.err != nil {
			return fmt.Errorf("signature by %s: %w", keyString(wrong.name, wrong.id), wrong.err)
		}
	}
	return err
}

func keyString(name string, id uint32) string { return fmt.Sprintf("%s+%08x", name, id) }

// An UnknownSignersError says that a note is well-formed but signed by none of the given
// keys.
type UnknownSignersError struct {
	Signers []string // claimed signers, NAME+ID
	Known   []string // the given keys
}

func (e *UnknownSignersError) Error() string {
	return fmt.Sprintf("not signed by %s; it names as its signers %s", list(e.Known), list(e.Signers))
}

// list formats some of perhaps a hundred long strings, made printable.
func list(names []string) string {
	const most, longest = 4, 120
	if len(names) == 0 {
		return "any key"
	}
	var b strings.Builder
	for i, name := range names[:min(most, len(names))] {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(&b, "%.*q", longest, name)
	}
	if len(names) > most {
		fmt.Fprintf(&b, " and %d more", len(names)-most)
	}
	return b.String()
}
