package signing

import (
	"bytes"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

const privatePrefix = "PRIVATE+KEY+"

// maxName bounds the name of a note key, in bytes, as package statement does for the origin
// of a log.
const maxName = 200

// CheckName checks that the name of a note key follows the rules of signed notes, and looks
// the same everywhere: it is ASCII.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("a key needs a name")
	case len(name) > maxName:
		return fmt.Errorf("a name of more than %d bytes", maxName)
	case strings.Contains(name, "://"):
		return fmt.Errorf("the name %q has a scheme: leave it out", name)
	case strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r > '~' || r == '+'
	}):
		return fmt.Errorf("the name %q has spaces, plus signs or characters that are not ASCII", name)
	}
	return nil
}

// generate makes a note key: the lines of its private and its public file.
func generate(name string) (private, public string, err error) {
	if err := CheckName(name); err != nil {
		return "", "", err
	}
	return note.GenerateKey(rand.Reader, name)
}

func noteSigner(text string) (*Signer, error) {
	s, err := note.NewSigner(text)
	if err != nil {
		return nil, fmt.Errorf("the note key is damaged: %w", err)
	}
	// NewSigner has checked that there are five fields. Base64 has plus signs, too.
	raw, err := base64.StdEncoding.DecodeString(strings.SplitN(text, "+", 5)[4])
	if err != nil {
		return nil, err
	}
	public, err := note.NewEd25519VerifierKey(s.Name(), ed25519.NewKeyFromSeed(raw[1:]).Public().(ed25519.PublicKey))
	if err != nil {
		return nil, err
	}
	v, err := notePublic(public)
	return &Signer{public: v, sign: s.Sign}, err
}

func notePublic(text string) (*Verifier, error) {
	v, err := note.NewVerifier(text)
	if err != nil {
		return nil, fmt.Errorf("the note key is damaged: %w", err)
	}
	if err := CheckName(v.Name()); err != nil {
		return nil, err
	}
	raw, err := base64.StdEncoding.DecodeString(strings.SplitN(text, "+", 3)[2])
	if err != nil {
		return nil, err
	}
	public, err := note.NewEd25519VerifierKey(v.Name(), raw[1:])
	if err != nil || public != text { // upper-case digits
		return nil, errors.New("the note key is not written in its canonical form")
	}
	return &Verifier{
		kind: Note, name: v.Name(), id: v.KeyHash(), text: text, own: fmt.Sprintf("%08x", v.KeyHash()),
		verify: func(text, raw []byte) error {
			if !v.Verify(text, raw) {
				return errWrong
			}
			return nil
		},
	}, nil
}

// errWrong means that the signature is not the key's, or not of this text.
var errWrong = errors.New("the signature is wrong: the text or the signature was changed, or another key made it")

// foreignID returns the ID in a note of a key that package note does not know.
func foreignID(name, identifier string, public ed25519.PublicKey) uint32 {
	h := sha256.New()
	h.Write(bytes.Join([][]byte{[]byte(name), {'\n', 0xff}, []byte(identifier), {'\n'}, public}, nil))
	return binary.BigEndian.Uint32(h.Sum(nil))
}
