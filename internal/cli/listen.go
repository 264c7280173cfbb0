package cli

import (
	"net/http"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/admin"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/follow"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/store"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/upstream"
)

func adminHandler(act *follow.Activity, files store.Quarantiner, client *upstream.Client) http.Handler {
	return admin.Handler(func() any { return act.State(client.Status()) }, append(act.Metrics(files), client.Metrics())...)
}
