package signing

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Password asks for the password of an encrypted key. It is called at most once per key,
// and only if the key is encrypted. If nil, there is no user to ask.
type Password func() ([]byte, error)

func (p Password) get() ([]byte, error) {
	if p == nil {
		return nil, errors.New("the key is encrypted, and there is no password")
	}
	return p()
}

// form is the apparent kind of a text.
type form struct {
	kind    Kind // empty: not a key
	private bool
}

var (
	notePattern     = regexp.MustCompile(`^[^+\s]+\+[0-9A-Fa-f]{8}\+[0-9A-Za-z+/=]+$`)
	minisignPattern = regexp.MustCompile(`^RW[0-9A-Za-z+/]{54}(?:[0-9A-Za-z+/=]{156})?$`)
)

// isLiteral reports whether what a person gave for a key is a key itself, and not a path.
func isLiteral(key string) bool {
	return notePattern.MatchString(key) || minisignPattern.MatchString(key) || strings.HasPrefix(key, "ssh-ed25519 ")
}

// formOf returns the form of a key, to choose its parser.
func formOf(text string) form {
	first, _, _ := strings.Cut(text, "\n")
	first = strings.TrimRight(first, "\r")
	rest := payload(text)
	switch {
	case strings.HasPrefix(first, privatePrefix):
		return form{Note, true}
	case strings.HasPrefix(first, "-----BEGIN ") && strings.HasSuffix(first, "PRIVATE KEY-----"):
		return form{SSH, true}
	case strings.HasPrefix(first, untrustedPrefix) || minisignPattern.MatchString(rest):
		// The two files differ only in length.
		return form{Minisign, len(rest) > (publicLine+secretLine)/2}
	case notePattern.MatchString(strings.TrimSpace(text)):
		return form{Note, false}
	case strings.Contains(text, "ssh-") || strings.Contains(text, "ecdsa-sha2-") || strings.Contains(text, "sk-"):
		return form{SSH, false}
	}
	return form{}
}

// parsePrivate parses the content of a private key's file.
func parsePrivate(text string, password Password) (*Signer, error) {
	switch f := formOf(text); {
	case f.kind == "":
		return nil, errors.New("not a private key of clonecratesio key new, minisign or ssh-keygen")
	case !f.private:
		return nil, fmt.Errorf("a public key (%s): to sign, give the private one", f.kind)
	case f.kind == Note:
		return noteSigner(strings.TrimRight(text, "\r\n"))
	case f.kind == Minisign:
		return minisignSigner(text, password)
	default:
		return sshSigner(text, password)
	}
}

// parsePublic parses the content of a public key's file, or a literal key. It has one key,
// unless it is a file of allowed signers.
func parsePublic(text string) (keys []*Verifier, err error) {
	var key *Verifier
	switch f := formOf(text); {
	case f.kind == "":
		return nil, errors.New("not a public key of clonecratesio key new, minisign or ssh-keygen")
	case f.private:
		return nil, fmt.Errorf("a private key (%s): give the public one, and keep this one to yourself", f.kind)
	case f.kind == SSH:
		return sshPublic(text)
	case f.kind == Note:
		key, err = notePublic(strings.TrimRight(text, "\r\n"))
	default:
		key, err = minisignPublic(text)
	}
	if err != nil {
		return nil, err
	}
	return []*Verifier{key}, nil
}
