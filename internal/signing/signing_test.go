package signing

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// A text is signed by each kind of key, by all of them in one note, and read back
// with the public key as it is handed out.
func TestSealAndOpen(t *testing.T) {
	var all []Signature
	var keys []*Verifier
	for kind, s := range signers(t) {
		sig, err := s.Sign([]byte(text))
		must(t, err)
		again, err := s.Sign([]byte(text))
		must(t, err)
		if !bytes.Equal(sig.raw, again.raw) {
			t.Errorf("%s: the same text gives another signature", kind)
		}
		key := open(t, s.Public().String())
		if key.Name() != s.Public().Name() || key.ID() != s.Public().ID() || key.Fingerprint() != s.Public().Fingerprint() {
			t.Errorf("%s: the public key is %s %08x, that of the private one %s %08x", kind, key.Name(), key.ID(), s.Public().Name(), s.Public().ID())
		}
		msg, err := Seal([]byte(text), sig)
		must(t, err)
		got, by, err := Open(msg, key)
		if err != nil || string(got) != text || len(by) != 1 || by[0].By != key {
			t.Errorf("%s: Open = %q, %v, %v", kind, got, by, err)
		}
		all, keys = append(all, sig), append(keys, key)
	}
	msg, err := Seal([]byte(text), all...)
	must(t, err)
	for i, key := range keys {
		if got, by, err := Open(msg, key); err != nil || string(got) != text || len(by) != 1 || by[0].By != key {
			t.Errorf("one of three keys: Open = %q, %v, %v", got, by, err)
		}
		got, by, err := Open(msg, keys[i], keys[(i+1)%3], keys[i])
		if err != nil || string(got) != text || len(by) != 2 {
			t.Errorf("two of three keys: Open = %q, %v, %v", got, by, err)
		}
	}
}

// A note that another key has signed is refused, and says who claims to have signed.
func TestOpenByAnother(t *testing.T) {
	all := signers(t)
	sig, err := all[Minisign].Sign([]byte(text))
	must(t, err)
	msg, err := Seal([]byte(text), sig)
	must(t, err)
	other, err := parsePrivate(minisignKey(t, 2, ""), nil)
	must(t, err)
	_, _, err = Open(msg, all[SSH].Public(), other.Public())
	unknown := new(UnknownSignersError)
	if !errors.As(err, &unknown) {
		t.Fatalf("Open = %v", err)
	}
	for _, want := range []string{"not signed by", all[SSH].Public().Name(), other.Public().Name(), "signers", all[Minisign].Public().Name()} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
	if _, _, err := Open(msg); err == nil || !strings.Contains(err.Error(), "not signed by any key") {
		t.Errorf("Open without a key = %v", err)
	}
	// A signature of another text gets into no note.
	if _, err := Seal([]byte("other\n"), sig); err == nil {
		t.Error("a signature is sealed with a text that it is not of")
	}
}

// Every bit counts: of the text, of a signature in a note or a file of its own, and
// of a public key. The untrusted comment of minisign's file is the one exception, as
// its name says.
func TestEveryBitCounts(t *testing.T) {
	for kind, s := range signers(t) {
		sig, err := s.Sign([]byte(text))
		must(t, err)
		msg, err := Seal([]byte(text), sig)
		must(t, err)
		flips(msg, func(at int, changed []byte) {
			if _, _, err := Open(changed, s.Public()); err == nil {
				t.Errorf("%s: bit %d of the note does not count: %q", kind, at, changed)
			}
		})
		flips([]byte(s.Public().String()), func(at int, changed []byte) {
			keys, err := parsePublic(string(changed))
			if err == nil {
				_, _, err = Open(msg, keys...)
			}
			if err == nil {
				t.Errorf("%s: bit %d of the key does not count: %q", kind, at, changed)
			}
		})
		if kind == Note {
			continue
		}
		file, key := sig.File(), open(t, s.Public().String())
		if _, err := key.Detached([]byte(text), file); err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		flips([]byte(text), func(at int, changed []byte) {
			if _, err := key.Detached(changed, file); err == nil {
				t.Errorf("%s: bit %d of the text does not count: %q", kind, at, changed)
			}
		})
		flips(file, func(at int, changed []byte) {
			comment := kind == Minisign && at/8 >= len(untrustedPrefix) && at/8 < bytes.IndexByte(file, '\n')
			if _, err := key.Detached([]byte(text), changed); err == nil && !comment {
				t.Errorf("%s: bit %d of the file does not count: %q", kind, at, changed)
			}
		})
		flips([]byte(s.Public().String()), func(at int, changed []byte) {
			keys, err := parsePublic(string(changed))
			if err == nil {
				_, err = keys[0].Detached([]byte(text), file)
			}
			if err == nil {
				t.Errorf("%s: bit %d of the key does not count: %q", kind, at, changed)
			}
		})
	}
}

// flips calls do with each bit changed, one at a time.
func flips(data []byte, do func(at int, changed []byte)) {
	for at := range 8 * len(data) {
		changed := bytes.Clone(data)
		changed[at/8] ^= 1 << (at % 8)
		do(at, changed)
	}
}

// What can be written in two ways is taken in one, so that two files that verify
// are of the same signature.
func TestOneWayAlone(t *testing.T) {
	for kind, s := range signers(t) {
		sig, err := s.Sign([]byte(text))
		must(t, err)
		msg, err := Seal([]byte(text), sig)
		must(t, err)
		for what, changed := range map[string]string{
			"a line end in base64": strings.Replace(string(msg), "=\n", "\r=\n", 1),
			"a line more":          string(msg) + "\n",
			"a word more":          strings.TrimSuffix(string(msg), "\n") + " x\n",
			"no line end":          strings.TrimSuffix(string(msg), "\n"),
			"no signature":         text + "\n",
			"too long":             strings.Repeat("x", MaxNote) + "\n\n" + string(msg),
		} {
			if _, _, err := Open([]byte(changed), s.Public()); err == nil {
				t.Errorf("%s: a note with %s is taken", kind, what)
			}
		}
		if kind == Note {
			if _, err := s.Public().Detached([]byte(text), msg); err == nil || !strings.Contains(err.Error(), "in signed notes") {
				t.Errorf("Detached of a note key = %v", err)
			}
			if sig.Extension() != "" || sig.File() != nil {
				t.Errorf("a note key's signature has a file %q: %q", sig.Extension(), sig.File())
			}
			continue
		}
		file := string(sig.File())
		for what, changed := range map[string]string{
			"something before": "x\n" + file, "something after": file + "x", "an empty line after": file + "\n",
			"nothing": "", "half": file[:len(file)/2], "spaces": strings.ReplaceAll(file, "\n", " \n"),
			"too long": file + strings.Repeat("x", maxSignature),
		} {
			if _, err := s.Public().Detached([]byte(text), []byte(changed)); err == nil {
				t.Errorf("%s: a file with %s is taken", kind, what)
			}
		}
		// Programs on Windows write other line ends.
		crlf := strings.ReplaceAll(file, "\n", "\r\n")
		if got, err := s.Public().Detached([]byte(text), []byte(crlf)); err != nil || !bytes.Equal(got.File(), sig.File()) {
			t.Errorf("%s: with CRLF: %v, %v", kind, got, err)
		}
	}
}

// Texts that no signed note can carry are signed by no key.
func TestTexts(t *testing.T) {
	for kind, s := range signers(t) {
		for want, text := range map[string]string{
			"without a newline":  "text",
			"not valid UTF-8":    "\xff\n",
			"control characters": "a\r\n",
			"of more than":       strings.Repeat("x", MaxNote) + "\n",
		} {
			if _, err := s.Sign([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: Sign(%.10q) = %v, want %q", kind, text, err, want)
			}
			if _, err := Seal([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: Seal(%.10q) = %v, want %q", kind, text, err, want)
			}
		}
		// A text that looks like a note of its own stays one text.
		tricky := text + "\n— crates.example.org/mirror AAAA\n\n"
		sig, err := s.Sign([]byte(tricky))
		must(t, err)
		msg, err := Seal([]byte(tricky), sig)
		must(t, err)
		if got, _, err := Open(msg, s.Public()); err != nil || string(got) != tricky {
			t.Errorf("%s: Open = %q, %v", kind, got, err)
		}
	}
	if _, err := Seal([]byte(text)); err == nil || !strings.Contains(err.Error(), "without signatures") {
		t.Errorf("Seal without signatures = %v", err)
	}
}

// The IDs of foreign keys are a promise: notes that were signed long ago name them.
func TestForeignIDs(t *testing.T) {
	all := signers(t)
	for kind, want := range map[Kind]string{
		Minisign: "minisign/0807060504030201+722c47e4",
		SSH:      "ssh/7def39264223a3c5+091fa75a",
	} {
		v := all[kind].Public()
		if got := keyString(v.Name(), v.ID()); got != want {
			t.Errorf("%s: the key is %s, want %s", kind, got, want)
		}
	}
}

// A hundred signers with long names make a short message.
func TestUnknownSignersAreBounded(t *testing.T) {
	e := UnknownSignersError{Signers: slices.Repeat([]string{strings.Repeat("\x1b", 5000)}, 100)}
	if got := e.Error(); len(got) > 4000 || strings.Contains(got, "\x1b") {
		t.Errorf("a message of %d bytes: %.100q", len(got), got)
	}
}
