package flags

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/attest"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/signing"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/statement"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// There is no flag for a secret itself, because other users of the machine can read command
// lines: secrets come from files or the environment. No error quotes a secret.
const (
	tokenVariable    = "CLONECRATESIO_UPSTREAM_TOKEN"
	passwordVariable = "CLONECRATESIO_KEY_PASSWORD" // of a private key
)

// maxSecret is the maximum size of a token or a password, in bytes.
const maxSecret = 16 << 10

// readSecret reads a secret from a file, but at most maxSecret+1 bytes; the caller checks the
// length. In errors, what names the secret.
func readSecret(file, what string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", what, err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxSecret+1))
	if err != nil {
		return "", fmt.Errorf("reading %s: %w", what, err)
	}
	return string(content), nil
}

// readTokens reads the tokens for upstream from the environment and files.
func (cfg *Net) readTokens() (err error) {
	cfg.token, cfg.tokens = "", map[string]string{}
	if cfg.token, err = checkToken(os.Getenv(tokenVariable), "$"+tokenVariable); err != nil {
		return err
	}
	files := map[string]bool{}
	for _, given := range cfg.tokenFiles {
		host, file := cutHost(given)
		if files[host] {
			return Usagef("-upstream-token-file names two files for %s", cmp.Or(host, "upstream"))
		}
		files[host] = true
		text, err := readSecret(file, "the token for upstream")
		if err != nil {
			return err
		}
		token, err := checkToken(text, file)
		switch {
		case err != nil:
			return err
		case token == "":
			return Usagef("there is no token in %s", file)
		case host == "":
			cfg.token = token
		default:
			cfg.tokens[host] = token
		}
	}
	return nil
}

// cutHost parses "HOST=FILE" or "FILE". If the text before "=" is not a valid host, it is a
// part of the file's name.
func cutHost(given string) (host, file string) {
	host, file, found := strings.Cut(given, "=")
	if !found || upstream.CheckHost(host) != nil {
		return "", given
	}
	return strings.ToLower(host), file
}

// checkToken returns the token in text, without surrounding blanks. In errors, where says
// where the text was read.
func checkToken(text, where string) (string, error) {
	token := strings.TrimSpace(text)
	if len(token) > maxSecret {
		return "", Usagef("the token in %s has more than %d bytes", where, maxSecret)
	}
	if err := upstream.CheckToken(token); err != nil {
		return "", Usagef("%s: %w", where, err)
	}
	return token, nil
}

// Password holds the flag for the password of an encrypted private key.
type Password struct{ file string }

// Flag returns -key-password-file.
func (p *Password) Flag() cli.Flag {
	return &cli.StringFlag{
		Name: "key-password-file", DefaultText: "$" + passwordVariable + ", or asked for on a terminal",
		Usage: "read the password of an encrypted private key from the first line of `FILE`", Destination: &p.file,
	}
}

// Ask returns a function that returns the password of the private key in the file key: from
// -key-password-file, else from the environment, else from the user, if there is a terminal;
// stderr shows the prompt.
func (p *Password) Ask(ctx context.Context, stderr io.Writer, key string) signing.Password {
	return func() ([]byte, error) {
		if p.file != "" {
			return passwordInFile(p.file)
		}
		if password, ok := os.LookupEnv(passwordVariable); ok {
			return []byte(password), nil
		}
		if !console.CanAsk() {
			return nil, fmt.Errorf("the key is encrypted: give its password by -key-password-file FILE or $%s", passwordVariable)
		}
		password, err := console.AskPassword(ctx, stderr, fmt.Sprintf("password of %s: ", human.Printable(key)))
		if err != nil && ctx.Err() == nil {
			err = fmt.Errorf("asking for the key's password: %w", err)
		}
		return password, err
	}
}

func passwordInFile(name string) ([]byte, error) {
	content, err := readSecret(name, "the key's password")
	if err != nil {
		return nil, err
	}
	line, _, _ := strings.Cut(content, "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" || len(content) > maxSecret {
		return nil, Usagef("-key-password-file: %s has no password in its first line, or more than %d bytes", name, maxSecret)
	}
	return []byte(line), nil
}

// Signers holds the keys that sign. Each command has its own flags for the keys.
type Signers struct {
	Keys     []string // files
	Origin   string   // name of the log; if empty, the name of the first key
	Password Password
}

// Check rejects an invalid name of a log.
func (cfg *Signers) Check() error {
	if cfg.Origin != "" && !statement.ValidOrigin(cfg.Origin) {
		return Usagef("-origin %.80q is no name of a log: want no spaces and no plus signs", cfg.Origin)
	}
	return nil
}

// Open opens the keys, and asks for passwords if necessary. Without keys it returns nil.
func (cfg *Signers) Open(ctx context.Context, stderr io.Writer) (*attest.Signers, error) {
	if len(cfg.Keys) == 0 {
		return nil, nil
	}
	return attest.OpenSigners(cfg.Keys, cfg.Origin, func(file string) signing.Password { return cfg.Password.Ask(ctx, stderr, file) })
}
