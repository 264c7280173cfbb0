package cli

import (
	"errors"
	"net/http"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/admin"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/follow"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/program"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/runstate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/telemetry"
)

// adminHandler returns the handler of the admin endpoints: the state of this process, and
// metrics of the process, the mirror in d and the requests to upstream.
func adminHandler(act *follow.Activity, d *home.Dirs, up *program.Upstreams) http.Handler {
	return admin.Handler(admin.Config{
		Status:  func() any { return act.State() },
		Ready:   func() error { return ready(act.State()) },
		Metrics: metrics(act, d, up),
	})
}

func metrics(act *follow.Activity, d *home.Dirs, up *program.Upstreams) []prometheus.Collector {
	look := func() (runstate.State, bool) { return act.State(), true }
	of := append(act.Metrics(), up.Metrics()...)
	return append(of, telemetry.Build(program.Version()), telemetry.Run(look), telemetry.Mirror(d, look))
}

// ready returns an error unless the last round ended with a complete mirror.
func ready(s runstate.State) error {
	switch {
	case s.SucceededAt.IsZero():
		return errors.New("no round has ended complete yet")
	case s.Failures > 0:
		return errors.New("the last round was no success: " + s.LastError)
	}
	return nil
}
