package signing

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

const (
	sshIdentifier = "clonecratesio.sshsig/v1"
	sshBegin      = "-----BEGIN SSH SIGNATURE-----"
	sshEnd        = "-----END SSH SIGNATURE-----"
)

func sshSigner(text string, password Password) (*Signer, error) {
	key, err := ssh.ParseRawPrivateKey([]byte(text))
	if errors.As(err, new(*ssh.PassphraseMissingError)) {
		secret, perr := password.get()
		if perr != nil {
			return nil, perr
		}
		key, err = ssh.ParseRawPrivateKeyWithPassphrase([]byte(text), secret)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the ssh key: %w", err)
	}
	private, ok := key.(*ed25519.PrivateKey)
	if !ok {
		return nil, errOtherSSH
	}
	if !bytes.Equal(ed25519.NewKeyFromSeed(private.Seed()), *private) {
		return nil, errors.New("the ssh key is damaged: its halves are not of one key")
	}
	signer, err := ssh.NewSignerFromKey(*private)
	if err != nil {
		return nil, fmt.Errorf("reading the ssh key: %w", err)
	}
	v, err := sshVerifier(signer.PublicKey().Marshal())
	if err != nil {
		return nil, err
	}
	return &Signer{public: v, sign: func(text []byte) ([]byte, error) {
		sig, err := sshsig.Sign(bytes.NewReader(text), signer, sshsig.HashSHA512, Namespace)
		if err != nil {
			return nil, err
		}
		return sig.Marshal(), nil
	}}, nil
}

// errOtherSSH: one algorithm is enough, and its signatures have only one encoding.
var errOtherSSH = errors.New("the ssh key is not of the type ssh-ed25519: make one with ssh-keygen -t ed25519")

// sshVerifier makes a Verifier from a public key as in files, without base64.
func sshVerifier(blob []byte) (*Verifier, error) {
	parsed, err := ssh.ParsePublicKey(blob)
	switch {
	case err != nil:
		return nil, fmt.Errorf("the ssh key is damaged: %w", err)
	case parsed.Type() != ssh.KeyAlgoED25519:
		return nil, errOtherSSH
	case !bytes.Equal(parsed.Marshal(), blob):
		return nil, errors.New("the ssh key is not written in its canonical form")
	}
	key := parsed.(ssh.CryptoPublicKey).CryptoPublicKey().(ed25519.PublicKey)
	sum := sha256.Sum256(blob)
	name := fmt.Sprintf("ssh/%x", sum[:8])
	return &Verifier{
		kind: SSH, name: name, text: ssh.KeyAlgoED25519 + " " + base64.StdEncoding.EncodeToString(blob),
		own: ssh.FingerprintSHA256(parsed), id: foreignID(name, sshIdentifier, key),
		verify:  func(text, raw []byte) error { return sshVerify(parsed, text, raw) },
		armor:   sshArmor,
		unarmor: sshUnarmor,
	}, nil
}

func sshVerify(key ssh.PublicKey, text, raw []byte) error {
	sig, err := sshsig.ParseSignature(raw)
	switch {
	case err != nil:
		return fmt.Errorf("not a signature of ssh-keygen's: %w", err)
	case !bytes.Equal(sig.Marshal(), raw):
		return errors.New("not a signature as ssh-keygen writes it")
	case sig.Namespace != Namespace:
		return fmt.Errorf("made for the namespace %.80q: sign with ssh-keygen -Y sign -n %s", sig.Namespace, Namespace)
	}
	err = sshsig.Verify(bytes.NewReader(text), sig, key, sig.HashAlgorithm, Namespace)
	switch {
	case errors.Is(err, sshsig.ErrPublicKeyMismatch):
		return fmt.Errorf("made by another key, %s", ssh.FingerprintSHA256(sig.PublicKey))
	case err != nil:
		return errWrong
	}
	return nil
}

// sshArmor formats a signature's file as ssh-keygen does, in lines of 70 characters.
func sshArmor(raw []byte) []byte {
	var b bytes.Buffer
	b.WriteString(sshBegin + "\n")
	for line := range slices.Chunk([]byte(base64.StdEncoding.EncodeToString(raw)), 70) {
		b.Write(line)
		b.WriteByte('\n')
	}
	b.WriteString(sshEnd + "\n")
	return b.Bytes()
}

// sshUnarmor parses it. The PEM decoder would also accept surrounding text.
func sshUnarmor(file []byte) ([]byte, error) {
	all := lines(string(file))
	if len(all) < 3 || all[0] != sshBegin || all[len(all)-1] != sshEnd {
		return nil, errors.New("not a file as ssh-keygen -Y sign writes it")
	}
	body := strings.Join(all[1:len(all)-1], "")
	raw, err := base64.StdEncoding.DecodeString(body)
	if err != nil || base64.StdEncoding.EncodeToString(raw) != body {
		return nil, errors.New("not in canonical base64")
	}
	return raw, nil
}
