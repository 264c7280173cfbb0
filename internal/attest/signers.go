package attest

import (
	"errors"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/signing"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/statement"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/tilelog"
)

// Signers are the private keys that sign the statements of a log. Each key signs each
// statement.
type Signers struct {
	origin string
	keys   []*signing.Signer
	public []*signing.Verifier
}

// OpenSigners opens the key files, at least one. If origin is empty, it is the name of the
// first key.
func OpenSigners(files []string, origin string, password func(file string) signing.Password) (*Signers, error) {
	s := &Signers{origin: origin}
	for _, file := range files {
		key, err := signing.OpenPrivate(file, password(file))
		if err != nil {
			return nil, err
		}
		s.keys, s.public = append(s.keys, key), append(s.public, key.Public())
	}
	if s.origin == "" {
		s.origin = s.public[0].Name()
	}
	return s, nil
}

func (s *Signers) sign(text string) ([]byte, error) {
	var sigs []signing.Signature
	for _, key := range s.keys {
		sig, err := key.Sign([]byte(text))
		if err != nil {
			return nil, err
		}
		sigs = append(sigs, sig)
	}
	return signing.Seal([]byte(text), sigs...)
}

// SignedBy returns a statement.Verify that accepts a signature by any of the public keys.
func SignedBy(keys []*signing.Verifier) statement.Verify {
	return func(checkpoint []byte) error {
		_, _, err := signing.Open(checkpoint, keys...)
		return err
	}
}

// textName is the file with the text of the checkpoint alone, for stock minisign and
// ssh-keygen, whose signatures are in files beside it.
const textName = tilelog.CheckpointName + ".txt"

// writeFiles writes these files from the checkpoint, and removes those of an earlier
// checkpoint: after a key was dropped, an old signature would otherwise pass for one of the
// last statement. After an interruption the files do not match until the next statement.
func (s *Signers) writeFiles(folder durable.FS) error {
	l, err := tilelog.Open(folder)
	if err != nil {
		return err
	}
	text, sigs, err := signing.Open(l.Checkpoint, s.public...)
	if err != nil {
		return err
	}
	files := map[string][]byte{}
	for _, sig := range sigs {
		if ext := sig.Extension(); ext != "" {
			files[textName], files[textName+ext] = text, sig.File()
		}
	}
	for _, name := range []string{textName, textName + ".minisig", textName + ".sig"} {
		if files[name] == nil {
			err = folder.Remove(name)
		} else {
			err = durable.WriteFile(folder, name, files[name])
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
