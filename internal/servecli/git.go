package servecli

import (
	"log/slog"
	"net/http"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/gitweb"
)

// gitHandler answers below /git/.
func (cfg *Config) gitHandler(log *slog.Logger) http.Handler {
	return gitweb.New(gitweb.Config{Index: cfg.Dirs.Index, Log: log})
}
