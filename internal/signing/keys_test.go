package signing

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/scrypt"
	"golang.org/x/crypto/ssh"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const text = "crates.example.org/mirror\n7\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"

func onDisk(fsys durable.FS) durable.FS { return fsys }

// seed is what the keys of the tests are made from.
func seed(n byte) []byte { return bytes.Repeat([]byte{n}, ed25519.SeedSize) }

// minisignKey is the content of minisign's secret key file, encrypted with little
// effort if there is a password.
func minisignKey(t testing.TB, n byte, password string) string {
	t.Helper()
	id := []byte{n, 2, 3, 4, 5, 6, 7, 8}
	private := ed25519.NewKeyFromSeed(seed(n))
	sum := blake2b.Sum256(bytes.Join([][]byte{[]byte("Ed"), id, private}, nil))
	secret := bytes.Join([][]byte{id, private, sum[:]}, nil)
	kdf, salt := []byte{0, 0}, make([]byte, 32)
	var ops, memory uint64
	if password != "" {
		kdf, ops, memory = []byte("Sc"), 32768, 16<<20
		// libsodium's pickparams: N = ops/(4*r) with r = 8.
		stream, err := scrypt.Key([]byte(password), salt, 1024, 8, 1, len(secret))
		must(t, err)
		for i := range secret {
			secret[i] ^= stream[i]
		}
	}
	all := bytes.Join([][]byte{[]byte("Ed"), kdf, []byte("B2"), salt,
		binary.LittleEndian.AppendUint64(nil, ops), binary.LittleEndian.AppendUint64(nil, memory), secret}, nil)
	return "untrusted comment: minisign encrypted secret key\n" + base64.StdEncoding.EncodeToString(all) + "\n"
}

// sshKey is the content of OpenSSH's private key file.
func sshKey(t testing.TB, n byte, password string) string {
	t.Helper()
	var block *pem.Block
	var err error
	private := ed25519.NewKeyFromSeed(seed(n))
	if password == "" {
		block, err = ssh.MarshalPrivateKey(private, "test")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(private, "test", []byte(password))
	}
	must(t, err)
	return string(pem.EncodeToMemory(block))
}

// noteKey is the content of a note key's private file.
func noteKey(t testing.TB, name string) string {
	t.Helper()
	private, _, err := generate(name)
	must(t, err)
	return private + "\n"
}

// signers are one of each kind.
func signers(t testing.TB) map[Kind]*Signer {
	t.Helper()
	all := map[Kind]*Signer{}
	for kind, content := range map[Kind]string{
		Note: noteKey(t, "crates.example.org/mirror"), Minisign: minisignKey(t, 1, ""), SSH: sshKey(t, 1, ""),
	} {
		s, err := parsePrivate(content, nil)
		must(t, err)
		if s.Public().Kind() != kind {
			t.Fatalf("a %s key is taken for %s", kind, s.Public().Kind())
		}
		all[kind] = s
	}
	return all
}

func write(t testing.TB, name, content string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	must(t, os.WriteFile(path, []byte(content), mode))
	must(t, os.Chmod(path, mode))
	return path
}

// open opens a public key's text.
func open(t testing.TB, text string) *Verifier {
	t.Helper()
	keys, err := parsePublic(text)
	must(t, err)
	if len(keys) != 1 {
		t.Fatalf("%d keys in %q", len(keys), text)
	}
	return keys[0]
}
