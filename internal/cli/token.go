package cli

import (
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

// tokenVariable is the environment variable of a token for upstream.
const tokenVariable = "CLONECRATESIO_UPSTREAM_TOKEN"

// maxToken bounds a token, in bytes.
const maxToken = 16 << 10

// readToken reads the token for upstream, if there is one. There is no flag for
// the token itself, as other users see command lines; and no error quotes it.
func (cfg *netConfig) readToken() error {
	token, where := os.Getenv(tokenVariable), "$"+tokenVariable
	if cfg.tokenFile != "" {
		f, err := os.Open(cfg.tokenFile)
		if err != nil {
			return fmt.Errorf("reading the token for upstream: %w", err)
		}
		defer f.Close()
		content, err := io.ReadAll(io.LimitReader(f, maxToken+1))
		if err != nil {
			return fmt.Errorf("reading the token for upstream: %w", err)
		}
		token, where = string(content), cfg.tokenFile
	}
	token = strings.TrimSpace(token)
	switch {
	case token == "" && cfg.tokenFile != "":
		return usagef("there is no token in %s", where)
	case len(token) > maxToken:
		return usagef("the token in %s has more than %d bytes", where, maxToken)
	}
	if err := upstream.CheckToken(token); err != nil {
		return usagef("%s: %w", where, err)
	}
	cfg.token = token
	return nil
}
