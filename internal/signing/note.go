package signing

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// Seal makes a signed note of a text and its signatures, at least one.
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

// Open verifies a signed note: it returns its text, and which of the keys have
// signed it, in the order of the note. Signatures by other keys are passed over.
// Errors: [*UnknownSignersError] if none of the keys has signed it; if the signature
// of one of them is wrong, that, however many others are right.
func Open(msg []byte, keys ...*Verifier) (text []byte, sigs []Signature, err error) {
	if len(msg) > MaxNote {
		return nil, nil, fmt.Errorf("opening a signed note: more than %d bytes", MaxNote)
	}
	var known []note.Verifier
	given := map[string]bool{}
	for _, key := range keys {
		if !given[key.text] { // twice would be ambiguous
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

// noteVerifier is a Verifier as package note wants it, with the reason that it has
// no room for.
type noteVerifier struct {
	*Verifier
	err error // what was wrong with the signature
}

func (v *noteVerifier) KeyHash() uint32 { return v.id }

func (v *noteVerifier) Verify(text, raw []byte) bool {
	v.err = v.verify(text, raw)
	return v.err == nil
}

// noteError adds to what package note says what we know.
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

// UnknownSignersError: a note is well-formed and signed by none of the keys that
// were given.
type UnknownSignersError struct {
	Signers []string // who claims to have signed it, NAME+ID
	Known   []string // the keys that were given
}

func (e *UnknownSignersError) Error() string {
	return fmt.Sprintf("not signed by %s; it names as its signers %s", list(e.Known), list(e.Signers))
}

// list is some of what may be a hundred long strings, made printable.
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
