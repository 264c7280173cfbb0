package signing

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
)

func answer(password string) Password {
	return func() ([]byte, error) { return []byte(password), nil }
}

// Encrypted keys ask for their password, once, and others do not.
func TestPasswords(t *testing.T) {
	for name, key := range map[string]string{"minisign": minisignKey(t, 1, "secret"), "ssh": sshKey(t, 1, "secret")} {
		asked := 0
		s, err := parsePrivate(key, func() ([]byte, error) { asked++; return []byte("secret"), nil })
		must(t, err)
		if want := signers(t)[s.Public().Kind()].Public().String(); asked != 1 || s.Public().String() != want {
			t.Errorf("%s: asked %d times; the key is %s, want %s", name, asked, s.Public(), want)
		}
		if _, err := s.Sign([]byte(text)); err != nil {
			t.Error(err)
		}
		if _, err := parsePrivate(key, answer("wrong")); err == nil || !strings.Contains(strings.ToLower(err.Error()), "password") {
			t.Errorf("%s with a wrong password: %v", name, err)
		}
		if _, err := parsePrivate(key, nil); err == nil || !strings.Contains(err.Error(), "is encrypted") {
			t.Errorf("%s without a password: %v", name, err)
		}
		none := errors.New("no terminal")
		if _, err := parsePrivate(key, func() ([]byte, error) { return nil, none }); !errors.Is(err, none) {
			t.Errorf("%s with none to be had: %v", name, err)
		}
	}
	for name, key := range map[string]string{"note": noteKey(t, "x"), "minisign": minisignKey(t, 1, ""), "ssh": sshKey(t, 1, "")} {
		if _, err := parsePrivate(key, func() ([]byte, error) { t.Errorf("%s asks", name); return nil, nil }); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A key that would be decrypted for hours, or with all memory, is refused first.
func TestMinisignLimits(t *testing.T) {
	for _, field := range []int{38, 46} { // the limits of work and of memory
		raw, err := base64.StdEncoding.DecodeString(payload(minisignKey(t, 1, "secret")))
		must(t, err)
		raw[field+5] = 1
		key := "untrusted comment: x\n" + base64.StdEncoding.EncodeToString(raw) + "\n"
		_, err = parsePrivate(key, func() ([]byte, error) { t.Error("asks"); return nil, nil })
		if err == nil || !strings.Contains(err.Error(), "more work or memory") {
			t.Errorf("with a limit of 2^40: %v", err)
		}
	}
}

// Base64 has plus signs, as the fields of a note key have between them.
func TestNoteKeysWithAnyBits(t *testing.T) {
	for range 50 {
		private := noteKey(t, "crates.example.org/mirror")
		s, err := parsePrivate(private, nil)
		must(t, err)
		if v := open(t, s.Public().String()+"\n"); v.ID() != s.Public().ID() {
			t.Errorf("%s is read as %08x", s.Public(), v.ID())
		}
	}
}

func TestNames(t *testing.T) {
	for _, name := range []string{"crates.example.org", "crates.example.org/mirror", "mirror", strings.Repeat("x", 200)} {
		if err := CheckName(name); err != nil {
			t.Errorf("CheckName(%q) = %v", name, err)
		}
	}
	for name, want := range map[string]string{
		"": "needs a name", strings.Repeat("x", 201): "more than 200 bytes", "https://crates.example.org": "has a scheme: leave it out",
		"a b": "spaces", "a+b": "plus", "a\u2003b": "spaces", "a\nb": "spaces", "a\x1bb": "not ASCII", "a\xffb": "not ASCII", "b\u00fccher.example": "not ASCII",
	} {
		if err := CheckName(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("CheckName(%q) = %v, want %q", name, err, want)
		}
		if _, _, err := generate(name); err == nil {
			t.Errorf("a key of the name %q is made", name)
		}
	}
}

// What is no key of the wanted half is refused, with words that help.
func TestOtherKeys(t *testing.T) {
	all := signers(t)
	private := map[Kind]string{Note: noteKey(t, "x"), Minisign: minisignKey(t, 1, ""), SSH: sshKey(t, 1, "")}
	for kind, s := range all {
		if _, err := parsePrivate(s.Public().String()+"\n", nil); err == nil || !strings.Contains(err.Error(), "a public key ("+string(kind)+")") {
			t.Errorf("a public key for a private one: %v", err)
		}
		if _, err := parsePublic(private[kind]); err == nil || !strings.Contains(err.Error(), "a private key ("+string(kind)+")") {
			t.Errorf("a private key for a public one: %v", err)
		}
		if _, err := OpenPublic(strings.TrimSpace(private[kind])); err == nil || strings.Contains(err.Error(), payload(private[kind])[40:60]) {
			t.Errorf("a private key on a command line: %v", err)
		}
	}
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	block, err := ssh.MarshalPrivateKey(other, "")
	must(t, err)
	public, err := ssh.NewPublicKey(other.Public())
	must(t, err)
	ecdsaPrivate, ecdsaPublic := string(pem.EncodeToMemory(block)), string(ssh.MarshalAuthorizedKey(public))
	halves := strings.Replace(private[Minisign], payload(private[Minisign])[120:140], strings.Repeat("A", 20), 1)
	for key, want := range map[string]string{
		"": "not a private key", "x": "not a private key", ecdsaPrivate: "make one with ssh-keygen -t ed25519",
		"PRIVATE+KEY+x": "the note key is damaged", halves: "the minisign key is damaged",
		"untrusted comment: x\n" + strings.Repeat("A", 212): "the minisign key is damaged",
		"-----BEGIN OPENSSH PRIVATE KEY-----\n":             "reading the ssh key",
	} {
		if _, err := parsePrivate(key, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parsePrivate(%q) = %v, want %q", key, err, want)
		}
	}
	for key, want := range map[string]string{
		"": "not a public key", "x": "not a public key", ecdsaPublic: "line 1: the ssh key is not of the type ssh-ed25519",
		"x+00000000+AAAA": "the note key is damaged", "untrusted comment: x\n": "the minisign key is damaged",
		"RW" + strings.Repeat("A", 54):      "unknown algorithm",
		all[Note].Public().String() + "\nx": "not a public key",
		"ssh-ed25519 AAAA":                  "the ssh key is damaged", "ssh-ed25519": "there is no ssh key in it",
		strings.Replace(all[SSH].Public().String(), "ed25519", "rsa", 1): "not of the type \"ssh-rsa\"",
	} {
		if _, err := parsePublic(key); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parsePublic(%q) = %v, want %q", key, err, want)
		}
	}
}

// A file of allowed signers is read as ssh-keygen reads it, or not at all.
func TestAllowedSigners(t *testing.T) {
	one, two := signers(t)[SSH].Public().String(), ""
	s, err := parsePrivate(sshKey(t, 2, ""), nil)
	must(t, err)
	two = s.Public().String()
	for file, want := range map[string][]string{
		one: {one}, one + " a comment with ssh-ed25519\r\n": {one},
		"# who may\n\nme@example.org,*@example.com " + one + "\nyou \t" + two + " x\n": {one, two},
		`"two words" ` + one + "\nme " + one:                                           {one},
		`me namespaces="clonecratesio" ` + one:                                         {one},
		`me namespaces="git,clonecratesio" ` + one + "\nme namespaces=\"git\" " + two:  {one},
	} {
		keys, err := parsePublic(file)
		var got []string
		for _, k := range keys {
			got = append(got, k.String())
		}
		if err != nil || strings.Join(got, "\n") != strings.Join(want, "\n") {
			t.Errorf("parsePublic(%q) = %q, %v", file, got, err)
		}
	}
	for file, want := range map[string]string{
		`me namespaces="git" ` + one:                              "no key may sign in the namespace clonecratesio",
		`me namespaces="clone*" ` + one:                           "patterns are not supported",
		`me cert-authority ` + one:                                `line 1: the option "cert-authority" is not supported`,
		"x " + one + "\nme valid-after=\"2026\" " + two:           `line 2: the option "valid-after" is not supported`,
		"a b c " + one:                                            "line 1: there is no ssh key in it",
		"me " + one + "=":                                         "not in base64",
		manyKeys(t, maxKeys+1):                                    "more than 64 keys",
		"me sk-ssh-ed25519@openssh.com " + strings.Fields(one)[1]: "not of the type",
	} {
		if _, err := parsePublic(file); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("parsePublic(%.100q) = %v, want %q", file, err, want)
		}
	}
	if keys, err := parsePublic(manyKeys(t, maxKeys)); err != nil || len(keys) != maxKeys {
		t.Errorf("%d keys, %v", len(keys), err)
	}
}

func manyKeys(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	for i := range n {
		s, err := parsePrivate(sshKey(t, byte(i+1), ""), nil)
		must(t, err)
		b.WriteString("me " + s.Public().String() + "\n")
	}
	return b.String()
}
