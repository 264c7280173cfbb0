package signing

import (
	"bytes"
	"testing"
)

// fuzzed are the public keys with which the inputs of the corpus were signed.
func fuzzed(t testing.TB) (minisign, ssh *Verifier) {
	t.Helper()
	all := signers(t)
	return all[Minisign].Public(), all[SSH].Public()
}

// A public key that is read is written as a line that gives the same key.
func FuzzPublicKey(f *testing.F) {
	f.Fuzz(func(t *testing.T, text string) {
		keys, err := parsePublic(text)
		if err != nil {
			return
		}
		if len(keys) == 0 || len(keys) > maxKeys {
			t.Fatalf("%d keys", len(keys))
		}
		for _, key := range keys {
			again, err := parsePublic(key.String())
			if err != nil || len(again) != 1 || again[0].String() != key.String() || again[0].ID() != key.ID() || !isLiteral(key.String()) {
				t.Errorf("the key %s is read as %v, %v", key, again, err)
			}
		}
	})
}

// A private key that is read signs, and its signature is good.
func FuzzPrivateKey(f *testing.F) {
	f.Fuzz(func(t *testing.T, content string) {
		s, err := parsePrivate(content, nil)
		if err != nil {
			return
		}
		sig, err := s.Sign([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		msg, err := Seal([]byte(text), sig)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := Open(msg, open(t, s.Public().String())); err != nil {
			t.Error(err)
		}
	})
}

// Of a note that opens, nothing but signatures of other keys is lost.
func FuzzNote(f *testing.F) {
	one, two := fuzzed(f)
	f.Fuzz(func(t *testing.T, msg []byte) {
		text, sigs, err := Open(msg, one, two)
		if err != nil {
			return
		}
		again, err := Seal(text, sigs...)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Count(again, []byte("\n")) == bytes.Count(msg, []byte("\n")) && !bytes.Equal(again, msg) {
			t.Errorf("%q is taken, and written as %q", msg, again)
		}
		if got, by, err := Open(again, one, two); err != nil || !bytes.Equal(got, text) || len(by) != len(sigs) {
			t.Errorf("Open = %q, %v, %v", got, by, err)
		}
	})
}

// A file that is taken is written so that it is taken again.
func FuzzSignatureFile(f *testing.F) {
	one, two := fuzzed(f)
	f.Fuzz(func(t *testing.T, file []byte) {
		for _, key := range []*Verifier{one, two} {
			sig, err := key.Detached([]byte(text), file)
			if err != nil {
				continue
			}
			if again, err := key.Detached([]byte(text), sig.File()); err != nil || !bytes.Equal(again.File(), sig.File()) {
				t.Errorf("%q is written as %q: %v", file, sig.File(), err)
			}
		}
	})
}
