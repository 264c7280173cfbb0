// Package signing makes and verifies signatures: of the statements of a transparency log,
// and of files that are carried to a machine without a network.
//
// A signed text is lines of UTF-8. The first line says what kind of text it is (in a
// checkpoint, the log's origin), so that a signature cannot be used for another kind of
// text. It is transferred as a signed note (https://c2sp.org/signed-note,
// golang.org/x/mod/sumdb/note): the text, an empty line, and a line for each signature,
//
//	— <key name> <base64 of: key ID, 4 bytes; signature>
//
// There are three kinds of keys, distinguished by the content of their files. Callers need
// not know them:
//
//   - note: an Ed25519 key with a name, made by [NewKey]. Its signature is 64 bytes
//     of the text, as in any other signed note.
//   - minisign: https://jedisct1.github.io/minisign/, prehashed signatures only.
//   - ssh: an Ed25519 key of OpenSSH, for signatures as "ssh-keygen -Y sign" makes
//     them (PROTOCOL.sshsig of openssh-portable), in the namespace [Namespace].
//
// A minisign or ssh signature can also be a separate file ([Signature.File]), which the
// standard tools verify against a file with only the text, including its last newline but
// without the empty line. [Verifier.Detached] converts signatures that the standard tools
// made, with a key on a token or another machine, for a note:
//
//	minisign -V -p key.pub -m text -x text.minisig
//	ssh-keygen -Y verify -f allowed_signers -I you -n clonecratesio -s text.sig < text
//	minisign -S -s key -m text
//	ssh-keygen -Y sign -f key -n clonecratesio text
//
// # Foreign signatures in a note
//
// As the specification recommends for types that it does not define, a line with a minisign
// or ssh signature has a key ID of the type 0xff and a long identifier,
//
//	key ID = SHA-256(key name || "\n" || 0xff || identifier || "\n" || Ed25519 public key)[:4]
//
// so that other readers of notes treat it as an unknown key and ignore it. Nothing in such a
// line can be changed without invalidating its signature:
//
//   - minisign: the name is "minisign/" and the key's ID, 16 hexadecimal digits, as
//     minisign prints it; the identifier "clonecratesio.minisign/v1"; the signature
//     64 bytes over the BLAKE2b-512 of the text, 64 bytes over those and the trusted
//     comment, and that comment. (The untrusted comment is left out.)
//   - ssh: the name is "ssh/" and the first 16 hexadecimal digits of the SHA-256 of
//     the public key as in its file; the identifier "clonecratesio.sshsig/v1"; the
//     signature the blob of PROTOCOL.sshsig.
//
// # Strictness
//
// Public keys, signatures and notes are hostile: their size is bounded, and they are parsed
// strictly. If a format allows several encodings (base64 with unused bits, upper and lower
// case hexadecimal digits, fields that no signature covers), only one is accepted. The
// result of a verification depends on no clock, file or network.
package signing

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Namespace is the namespace of ssh signatures: signatures that a key made for other
// purposes are not valid here.
const Namespace = "clonecratesio"

// Limits for input from outside, in bytes and numbers.
const (
	maxKeyFile   = 64 << 10 // a list of allowed signers; a key has less than 1 KiB
	maxKeys      = 64       // of a list of allowed signers
	maxSignature = 16 << 10 // a detached signature; minisign allows comments of 8 KiB
	MaxNote      = 1 << 20  // a signed note
)

// Kind is the kind of a key.
type Kind string

// The kinds.
const (
	Note     Kind = "note"
	Minisign Kind = "minisign"
	SSH      Kind = "ssh"
)

// Verifier is a public key. Its methods may be called concurrently.
type Verifier struct {
	kind Kind
	name string
	id   uint32
	text string // see String
	own  string // see Fingerprint

	// verify checks a signature in the form of a note's line.
	verify func(text, raw []byte) error
	// armor converts it to a separate file, and unarmor converts it back; nil if there is
	// no such file.
	armor   func(raw []byte) []byte
	unarmor func(file []byte) (raw []byte, err error)
}

// Kind returns the kind of the key.
func (v *Verifier) Kind() Kind { return v.kind }

// Name returns the key's name in a note. For a note key it is the name that its owner
// chose: the origin of a log.
func (v *Verifier) Name() string { return v.name }

// ID returns the key's ID in a note.
func (v *Verifier) ID() uint32 { return v.id }

// String returns the public key in one line, in the form for standard tools and
// [OpenPublic].
func (v *Verifier) String() string { return v.text }

// Fingerprint returns the key's identification for people, as in the tools of its kind: the
// hash of a note key, minisign's key ID, OpenSSH's SHA256 fingerprint.
func (v *Verifier) Fingerprint() string { return v.own }

// Detached verifies a signature of text in a separate file, made by minisign or ssh-keygen.
// Errors say what is wrong; note keys have no such files.
func (v *Verifier) Detached(text, file []byte) (Signature, error) {
	if v.unarmor == nil {
		return Signature{}, fmt.Errorf("the key %s makes no detached signatures: its signatures are in signed notes", v.name)
	}
	if err := checkText(text); err != nil {
		return Signature{}, err
	}
	if len(file) > maxSignature {
		return Signature{}, fmt.Errorf("a signature of more than %d bytes", maxSignature)
	}
	raw, err := v.unarmor(file)
	if err == nil {
		err = v.verify(text, raw)
	}
	if err != nil {
		return Signature{}, fmt.Errorf("%s signature by %s: %w", v.kind, v.name, err)
	}
	return Signature{By: v, raw: raw}, nil
}

// Signature is a verified signature of some text.
type Signature struct {
	By  *Verifier
	raw []byte
}

// Extension returns the extension of the signature's file, after the name of the file with
// the text: ".minisig" or ".sig". It is empty if the signature can only be in notes.
func (s Signature) Extension() string {
	switch s.By.kind {
	case Minisign:
		return ".minisig"
	case SSH:
		return ".sig"
	}
	return ""
}

// File returns the content of that file, or nil if there is none.
func (s Signature) File() []byte {
	if s.By.armor == nil {
		return nil
	}
	return s.By.armor(s.raw)
}

// Signer is a private key. Its methods may be called concurrently.
type Signer struct {
	public *Verifier
	sign   func(text []byte) (raw []byte, err error)
}

// Public returns the public key.
func (s *Signer) Public() *Verifier { return s.public }

// Sign signs a text: valid UTF-8 that ends in a newline, has no other control characters,
// and is shorter than [MaxNote]. The same text gives the same signature.
func (s *Signer) Sign(text []byte) (Signature, error) {
	if err := checkText(text); err != nil {
		return Signature{}, err
	}
	raw, err := s.sign(text)
	if err == nil {
		// A damaged key makes unusable signatures, which may reveal it.
		err = s.public.verify(text, raw)
	}
	if err != nil {
		return Signature{}, fmt.Errorf("signing as %s: %w", s.public.name, err)
	}
	return Signature{By: s.public, raw: raw}, nil
}

// checkText checks that a text follows the rules of signed notes, whatever the kind of the
// key.
func checkText(text []byte) error {
	switch {
	case len(text) > MaxNote/2:
		return fmt.Errorf("a text of more than %d bytes", MaxNote/2)
	case !bytes.HasSuffix(text, []byte("\n")):
		return errors.New("a text without a newline at its end")
	case !utf8.Valid(text):
		return errors.New("a text that is not valid UTF-8")
	case bytes.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\n' }):
		return errors.New("a text with control characters")
	}
	return nil
}
