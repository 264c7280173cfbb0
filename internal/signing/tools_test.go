package signing

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable/durabletest"
)

// tool skips a test where the program is missing.
func tool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("needs %s: %v", name, err)
	}
}

// run runs a program in dir, with input, and returns what it prints.
func run(t *testing.T, dir, input, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustRun(t *testing.T, dir, input, name string, args ...string) {
	t.Helper()
	if out, err := run(t, dir, input, name, args...); err != nil {
		t.Fatalf("%s %v: %v: %s", name, args, err, out)
	}
}

// stockTool is a tool whose keys and signatures are ours, too.
type stockTool struct {
	program    string
	generate   []string
	sign       []string
	verify     []string
	stdin      bool // the text, to be verified
	extension  string
	key, given string // names of the key's two files
}

var stockTools = []stockTool{{
	program: "minisign", generate: []string{"-G", "-W", "-p", "key.pub", "-s", "key"},
	sign: []string{"-S", "-s", "key", "-m", "text"}, verify: []string{"-V", "-p", "key.pub", "-m", "text"},
	extension: ".minisig", key: "key", given: "key.pub",
}, {
	program: "ssh-keygen", generate: []string{"-q", "-t", "ed25519", "-N", "", "-C", "a comment", "-f", "key"},
	sign:   []string{"-Y", "sign", "-f", "key", "-n", Namespace, "text"},
	verify: []string{"-Y", "verify", "-f", "allowed", "-I", "me", "-n", Namespace, "-s", "text.sig"},
	stdin:  true, extension: ".sig", key: "key", given: "key.pub",
}}

// The stock tools take our signatures, and refuse them with another text; we take
// theirs, and those get into notes.
func TestStockTools(t *testing.T) {
	for _, tt := range stockTools {
		t.Run(tt.program, func(t *testing.T) {
			tool(t, tt.program)
			dir := t.TempDir()
			mustRun(t, dir, "", tt.program, tt.generate...)
			signer, err := OpenPrivate(filepath.Join(dir, tt.key), nil)
			must(t, err)
			keys, err := OpenPublic(filepath.Join(dir, tt.given))
			must(t, err)
			if len(keys) != 1 || keys[0].String() != signer.Public().String() {
				t.Fatalf("the public key is %v, that of the private one %s", keys, signer.Public())
			}
			public, err := os.ReadFile(filepath.Join(dir, tt.given))
			must(t, err)
			must(t, os.WriteFile(filepath.Join(dir, "allowed"), append([]byte("me "), public...), 0o644))
			must(t, os.WriteFile(filepath.Join(dir, "text"), []byte(text), 0o644))

			sig, err := signer.Sign([]byte(text))
			must(t, err)
			if sig.Extension() != tt.extension {
				t.Errorf("the extension is %q", sig.Extension())
			}
			file := filepath.Join(dir, "text"+tt.extension)
			must(t, os.WriteFile(file, sig.File(), 0o644))
			verify := func(content string) (string, error) {
				must(t, os.WriteFile(filepath.Join(dir, "text"), []byte(content), 0o644))
				if tt.stdin {
					return run(t, dir, content, tt.program, tt.verify...)
				}
				return run(t, dir, "", tt.program, tt.verify...)
			}
			if out, err := verify(text); err != nil {
				t.Errorf("%s refuses our signature: %v: %s\n%s", tt.program, err, out, sig.File())
			}
			if out, err := verify(text + "more\n"); err == nil {
				t.Errorf("%s takes our signature with another text: %s", tt.program, out)
			}

			must(t, os.WriteFile(filepath.Join(dir, "text"), []byte(text), 0o644))
			must(t, os.Remove(file))
			mustRun(t, dir, "", tt.program, tt.sign...)
			theirs, err := os.ReadFile(file)
			must(t, err)
			got, err := keys[0].Detached([]byte(text), theirs)
			must(t, err)
			msg, err := Seal([]byte(text), got)
			must(t, err)
			if _, by, err := Open(msg, keys...); err != nil || len(by) != 1 || by[0].By != keys[0] {
				t.Errorf("a note with the signature of %s: %v, %v", tt.program, by, err)
			}
			if tt.program == "ssh-keygen" && !bytes.Equal(got.File(), theirs) {
				t.Errorf("the file is\n%s, that of %s was\n%s", got.File(), tt.program, theirs)
			}
			if _, err := keys[0].Detached([]byte(text+"more\n"), theirs); err == nil {
				t.Errorf("a signature by %s is taken with another text", tt.program)
			}
			// What comes out of the note is a file that the tool takes.
			must(t, os.WriteFile(file, got.File(), 0o644))
			if out, err := verify(text); err != nil {
				t.Errorf("%s refuses its signature after it was in a note: %v: %s", tt.program, err, out)
			}
		})
	}
}

// What the tools sign in other ways is refused, with words that help.
func TestStockToolsOtherwise(t *testing.T) {
	for _, tt := range []struct {
		program        string
		generate, sign []string
		file, want     string
	}{
		{"minisign", []string{"-G", "-W", "-p", "key.pub", "-s", "key"}, []string{"-S", "-l", "-s", "key", "-m", "text"},
			"text.minisig", "minisign 0.10 or later"},
		{"ssh-keygen", []string{"-q", "-t", "ed25519", "-N", "", "-f", "key"}, []string{"-Y", "sign", "-f", "key", "-n", "file", "text"},
			"text.sig", `the namespace "file": sign with ssh-keygen -Y sign -n clonecratesio`},
	} {
		t.Run(tt.program, func(t *testing.T) {
			tool(t, tt.program)
			dir := t.TempDir()
			mustRun(t, dir, "", tt.program, tt.generate...)
			must(t, os.WriteFile(filepath.Join(dir, "text"), []byte(text), 0o644))
			mustRun(t, dir, "", tt.program, tt.sign...)
			file, err := os.ReadFile(filepath.Join(dir, tt.file))
			must(t, err)
			keys, err := OpenPublic(filepath.Join(dir, "key.pub"))
			must(t, err)
			if _, err := keys[0].Detached([]byte(text), file); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Detached = %v, want %q", err, tt.want)
			}
		})
	}
}

// Keys that the tools encrypt are opened with their password. minisign's take a
// second and a GiB.
func TestStockToolsEncrypt(t *testing.T) {
	for _, tt := range []struct {
		program, input string
		generate       []string
	}{
		{"minisign", "secret\nsecret\n", []string{"-G", "-p", "key.pub", "-s", "key"}},
		{"ssh-keygen", "", []string{"-q", "-t", "ed25519", "-N", "secret", "-f", "key"}},
	} {
		t.Run(tt.program, func(t *testing.T) {
			if tt.program == "minisign" && !*durabletest.Thorough {
				t.Skip("takes a GiB; -thorough runs it")
			}
			tool(t, tt.program)
			dir := t.TempDir()
			mustRun(t, dir, tt.input, tt.program, tt.generate...)
			signer, err := OpenPrivate(filepath.Join(dir, "key"), func() ([]byte, error) { return []byte("secret"), nil })
			must(t, err)
			keys, err := OpenPublic(filepath.Join(dir, "key.pub"))
			must(t, err)
			if keys[0].String() != signer.Public().String() {
				t.Errorf("the public key is %s, that of the private one %s", keys[0], signer.Public())
			}
		})
	}
}
