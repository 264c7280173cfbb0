package signing

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/jedisct1/go-minisign"
)

const (
	minisignIdentifier = "clonecratesio.minisign/v1"
	untrustedPrefix    = "untrusted comment: "
	trustedPrefix      = "trusted comment: "
	// publicLine and secretLine are the lengths of the second lines of minisign's key
	// files, in characters of base64.
	publicLine = 56
	secretLine = 212
	// Two Ed25519 signatures precede the trusted comment.
	minSignature = 2 * ed25519.SignatureSize
	// ourComment is the trusted comment of our signatures. It has no time, so that the same
	// text gives the same signature; statements have their times in the text.
	ourComment = "signed by clonecratesio"
)

// Limits for the password hash of a secret key. They are libsodium's
// crypto_pwhash_scryptsalsa208sha256_*_SENSITIVE, with which minisign encrypts. It really
// needs the memory: 1 GiB.
const (
	maxOps    = 33554432
	maxMemory = 1 << 30
)

func minisignSigner(text string, password Password) (*Signer, error) {
	key, err := minisign.NewPrivateKey(payload(text))
	if err != nil {
		return nil, fmt.Errorf("the minisign key is damaged: %w", err)
	}
	if key.IsEncrypted() {
		if key.KDFOpsLimit > maxOps || key.KDFMemLimit > maxMemory {
			return nil, errors.New("the minisign key wants more work or memory to be decrypted than minisign does: it is damaged, or made to harm")
		}
		secret, err := password.get()
		if err != nil {
			return nil, err
		}
		if err := key.Decrypt(string(secret)); err != nil {
			return nil, fmt.Errorf("decrypting the minisign key: %w", err)
		}
	}
	if !bytes.Equal(ed25519.NewKeyFromSeed(key.SecretKey[:ed25519.SeedSize]), key.SecretKey[:]) {
		return nil, errors.New("the minisign key is damaged: its halves are not of one key")
	}
	v := minisignVerifier(key.PublicKey())
	return &Signer{public: v, sign: func(text []byte) ([]byte, error) {
		sig, err := key.Sign(text, minisign.SignOptions{TrustedComment: ourComment, Hashed: true})
		return minisignRaw(sig), err
	}}, nil
}

// payload returns what follows the comment of a key file, if there is one.
func payload(text string) string {
	if strings.HasPrefix(text, untrustedPrefix) {
		_, text, _ = strings.Cut(text, "\n")
	}
	return strings.TrimRight(text, "\r\n")
}

func minisignPublic(text string) (*Verifier, error) {
	line := payload(text)
	key, err := minisign.NewPublicKey(line)
	switch {
	case err != nil || len(line) != publicLine || strings.ContainsAny(line, "\r\n"):
		return nil, errors.New("the minisign key is damaged: want one line of 56 characters of base64, after a comment or alone")
	case string(key.SignatureAlgorithm[:]) != "Ed":
		return nil, errors.New("the minisign key is of an unknown algorithm")
	}
	return minisignVerifier(key), nil
}

func minisignVerifier(key minisign.PublicKey) *Verifier {
	id := fmt.Sprintf("%016X", binary.LittleEndian.Uint64(key.KeyId[:])) // as minisign prints it
	name, public := "minisign/"+id, ed25519.PublicKey(key.PublicKey[:])
	text := base64.StdEncoding.EncodeToString(bytes.Join([][]byte{key.SignatureAlgorithm[:], key.KeyId[:], public}, nil))
	return &Verifier{
		kind: Minisign, name: name, text: text, own: id, id: foreignID(name, minisignIdentifier, public),
		verify: func(text, raw []byte) error {
			if len(raw) < minSignature {
				return errors.New("the signature is too short")
			}
			if strings.ContainsFunc(string(raw[minSignature:]), isControl) {
				return errors.New("the trusted comment has control characters")
			}
			if ok, err := key.Verify(text, minisignSignature(key.KeyId, raw)); !ok || err != nil {
				return errWrong
			}
			return nil
		},
		armor: func(raw []byte) []byte { return minisignSignature(key.KeyId, raw).Encode() },
		unarmor: func(file []byte) ([]byte, error) {
			sig, err := minisignFile(file)
			if err == nil && sig.KeyId != key.KeyId {
				err = fmt.Errorf("made by another key, %016X", binary.LittleEndian.Uint64(sig.KeyId[:]))
			}
			return minisignRaw(sig), err
		},
	}
}

func isControl(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }

// minisignRaw converts a signature to the form in a line of a note, and minisignSignature
// converts it back. The key's ID and the algorithm are left out.
func minisignRaw(sig minisign.Signature) []byte {
	comment := strings.TrimPrefix(sig.TrustedComment, trustedPrefix)
	return bytes.Join([][]byte{sig.Signature[:], sig.GlobalSignature[:], []byte(comment)}, nil)
}

func minisignSignature(id [8]byte, raw []byte) (sig minisign.Signature) {
	sig.SignatureAlgorithm = [2]byte{'E', 'D'} // prehashed
	sig.KeyId = id
	copy(sig.Signature[:], raw)
	copy(sig.GlobalSignature[:], raw[ed25519.SignatureSize:])
	sig.TrustedComment = trustedPrefix + string(raw[minSignature:])
	return sig
}

// minisignFile parses a signature's file: four lines, with only one valid form apart from
// the untrusted comment.
func minisignFile(file []byte) (sig minisign.Signature, err error) {
	text := strings.Join(lines(string(file)), "\n") + "\n"
	sig, err = minisign.DecodeSignature(text)
	switch {
	case err != nil:
		return sig, fmt.Errorf("not a file of minisign's: %w", err)
	case !strings.HasPrefix(sig.UntrustedComment, untrustedPrefix), !strings.HasPrefix(sig.TrustedComment, trustedPrefix),
		string(sig.Encode()) != text:
		return sig, errors.New("not a file as minisign writes it")
	case string(sig.SignatureAlgorithm[:]) == "Ed":
		return sig, errors.New("made without hashing the text first: sign with minisign 0.10 or later, or with -H")
	case string(sig.SignatureAlgorithm[:]) != "ED":
		return sig, errors.New("of an unknown algorithm")
	}
	return sig, nil
}

// lines splits a text file of any system into lines, without their ends.
func lines(text string) []string {
	all := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, line := range all {
		all[i] = strings.TrimSuffix(line, "\r")
	}
	return all
}
