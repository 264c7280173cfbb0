// Package signing is the one room for signatures: of the statements of a
// transparency log, and of what is carried to a machine without a network.
//
// What is signed is a text: lines of UTF-8; the first says what the text is of (of a
// checkpoint, the log's origin), so that no signature can be taken for one of another
// kind of text. It is carried as a signed note (https://c2sp.org/signed-note,
// golang.org/x/mod/sumdb/note): the text, an empty line, and a line for each signature,
//
//	— <key name> <base64 of: key ID, 4 bytes; signature>
//
// There are three kinds of keys, which are told apart by what is in their files.
// Callers need not know them:
//
//   - note: an Ed25519 key with a name, made by [NewKey]. Its signature is 64 bytes
//     over the text, as in any other signed note.
//   - minisign: https://jedisct1.github.io/minisign/, prehashed signatures only.
//   - ssh: an Ed25519 key of OpenSSH, for signatures as "ssh-keygen -Y sign" makes
//     them (PROTOCOL.sshsig of openssh-portable), in the namespace [Namespace].
//
// A minisign or ssh signature is also a file of its own ([Signature.File]), which
// stock tools check against a file that holds the text alone, to its last newline
// and without the empty line; and what stock tools have signed, with a key that is
// on a token or another machine, gets into a note by [Verifier.Detached]:
//
//	minisign -V -p key.pub -m text -x text.minisig
//	ssh-keygen -Y verify -f allowed_signers -I you -n clonecratesio -s text.sig < text
//	minisign -S -s key -m text
//	ssh-keygen -Y sign -f key -n clonecratesio text
//
// # Foreign signatures in a note
//
// A line with a minisign or ssh signature has, as the specification advises for types
// that it does not define, a key ID of the type 0xff and a long identifier,
//
//	key ID = SHA-256(key name || "\n" || 0xff || identifier || "\n" || Ed25519 public key)[:4]
//
// so that every other reader of notes takes it for one of an unknown key and passes
// over it. Nothing in such a line can be changed without breaking its signature:
//
//   - minisign: the name is "minisign/" and the key's ID, 16 hexadecimal digits, as
//     minisign prints it; the identifier "clonecratesio.minisign/v1"; the signature
//     64 bytes over the BLAKE2b-512 of the text, 64 bytes over those and the trusted
//     comment, and that comment. (The untrusted comment is not carried.)
//   - ssh: the name is "ssh/" and the first 16 hexadecimal digits of the SHA-256 of
//     the public key as in its file; the identifier "clonecratesio.sshsig/v1"; the
//     signature the blob of PROTOCOL.sshsig.
//
// # What is refused
//
// Public keys, signatures and notes are hostile: they are bounded in size, and read
// strictly. Where a format can be written in several ways (base64 with bits to
// spare, upper and lower case hexadecimal digits, fields that no signature covers)
// one way alone is taken. What a verifier makes of a text and a signature depends on
// no clock, no file and no network.
package signing

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Namespace is the namespace of ssh signatures: those that a key has made for other
// purposes are none of ours.
const Namespace = "clonecratesio"

// Bounds on what comes from outside, in bytes and pieces.
const (
	maxKeyFile   = 64 << 10 // a list of allowed signers; a key has less than 1 KiB
	maxKeys      = 64       // of a list of allowed signers
	maxSignature = 16 << 10 // a detached signature; minisign allows comments of 8 KiB
	MaxNote      = 1 << 20  // a signed note
)

// Kind is what made a key, and reads its signatures.
type Kind string

// The kinds.
const (
	Note     Kind = "note"
	Minisign Kind = "minisign"
	SSH      Kind = "ssh"
)

// Verifier is a public key. It may be used by many goroutines at a time.
type Verifier struct {
	kind Kind
	name string
	id   uint32
	text string // see String
	own  string // see Fingerprint

	// verify checks a signature as it is in the line of a note.
	verify func(text, raw []byte) error
	// armor and unarmor turn that into a file of its own and back; nil if there is
	// no such file.
	armor   func(raw []byte) []byte
	unarmor func(file []byte) (raw []byte, err error)
}

// Kind is which of the three the key is.
func (v *Verifier) Kind() Kind { return v.kind }

// Name is the key's name in a note. Of a note key it is the one that its owner gave
// it: the origin of a log.
func (v *Verifier) Name() string { return v.name }

// ID is the key's ID in a note.
func (v *Verifier) ID() uint32 { return v.id }

// String is the public key in a line, as stock tools and [OpenPublic] read it.
func (v *Verifier) String() string { return v.text }

// Fingerprint is how the tools of its kind name the key for people to compare: the
// hash of a note key, minisign's key ID, OpenSSH's SHA256 fingerprint.
func (v *Verifier) Fingerprint() string { return v.own }

// Detached checks a signature of text that is in a file of its own, made by
// minisign or ssh-keygen. Errors say what is wrong; of a note key there are no such
// files.
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

// Signature is a signature of some text that was verified: there are no others.
type Signature struct {
	By  *Verifier
	raw []byte
}

// Extension is what the name of the signature's file ends in, after the name of the
// file with the text: ".minisig" or ".sig". It is empty if the signature is in notes
// alone.
func (s Signature) Extension() string {
	switch s.By.kind {
	case Minisign:
		return ".minisig"
	case SSH:
		return ".sig"
	}
	return ""
}

// File is the content of that file, nil if there is none.
func (s Signature) File() []byte {
	if s.By.armor == nil {
		return nil
	}
	return s.By.armor(s.raw)
}

// Signer is a private key. It may be used by many goroutines at a time.
type Signer struct {
	public *Verifier
	sign   func(text []byte) (raw []byte, err error)
}

// Public is the public key.
func (s *Signer) Public() *Verifier { return s.public }

// Sign signs a text: valid UTF-8 that ends in a newline and has no other control
// characters, less than [MaxNote]. The same text gives the same signature.
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

// checkText holds texts to the rules of signed notes, whatever the kind of the key.
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
