package cli

import (
	"net/http"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/admin"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/follow"
)

func adminHandler(act *follow.Activity, s *follow.Session) http.Handler {
	metrics := append(act.Metrics(s.Store), s.Client.Metrics())
	if s.Set != nil {
		metrics = append(metrics, s.Set.Metrics())
	}
	return admin.Handler(func() any { return act.State(s.Client.Status()) }, metrics...)
}
