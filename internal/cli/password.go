package cli

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/console"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/human"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/signing"
)

// passwordVariable is the environment variable with the password of a private key.
const passwordVariable = "CLONECRATESIO_KEY_PASSWORD"

// maxPassword bounds a password, in bytes.
const maxPassword = 16 << 10

// passwordConfig is where the password of an encrypted private key comes from. There
// is no flag for the password itself, as other users see command lines.
type passwordConfig struct{ file string }

func (p *passwordConfig) flag() cli.Flag {
	return &cli.StringFlag{
		Name: "key-password-file", DefaultText: "$" + passwordVariable + ", or asked for on a terminal",
		Usage: "`FILE` whose first line is the password of an encrypted private key", Destination: &p.file,
	}
}

// ask returns what finds the password of the private key in a file out.
func (p *passwordConfig) ask(ctx context.Context, a *App, key string) signing.Password {
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
		return a.typedPassword(ctx, key)
	}
}

func passwordInFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("reading the key's password: %w", err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxPassword+1))
	if err != nil {
		return nil, fmt.Errorf("reading the key's password: %w", err)
	}
	line, _, _ := strings.Cut(string(content), "\n")
	line = strings.TrimSuffix(line, "\r")
	if line == "" || len(content) > maxPassword {
		return nil, usagef("-key-password-file: %s has no password in its first line, or more than %d bytes", name, maxPassword)
	}
	return []byte(line), nil
}

// typedPassword asks for it on the terminal.
func (a *App) typedPassword(ctx context.Context, key string) ([]byte, error) {
	password, err := console.AskPassword(ctx, a.Stderr, fmt.Sprintf("password of %s: ", human.Printable(key)))
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("asking for the key's password: %w", err)
	}
	return password, err
}
