package flags

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"

	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/admin"
)

// Listen is the address of a command's admin endpoints. If it is empty, there are none.
type Listen struct {
	flag  string
	Addr  string
	given bool // by the user
	// Needed says that the process keeps running and is monitored: it does not start if it
	// cannot listen on an address that the user has given.
	Needed bool
}

const adminUsage = "serve /metrics, /api/status and /debug/pprof/ (to loopback clients only) at `ADDR`; empty = off. If the default port is taken, the run continues without"

// Flag returns the flag with a name and a default address.
func (l *Listen) Flag(name, addr string) cli.Flag {
	l.flag = "-" + name
	return &cli.StringFlag{
		Name: name, Value: addr, Usage: adminUsage, Destination: &l.Addr,
		Action: func(context.Context, *cli.Command, string) error { l.given = true; return nil },
	}
}

// Serve serves the admin endpoints of a command until stop is called. If the port is in use,
// it only logs a warning, because Prometheus itself uses the default, 9090. It returns an
// error if Needed is set and the user has given the address.
func (l *Listen) Serve(h http.Handler, log *slog.Logger) (stop func(), err error) {
	none := func() {}
	if l.Addr == "" {
		return none, nil
	}
	stop, err = admin.Serve(l.Addr, h, log)
	if err != nil && !(l.given && l.Needed) {
		log.Warn("metrics and status are not served; give another address, or '' for none", "flag", l.flag, "err", err)
		return none, nil
	}
	if err != nil {
		return none, fmt.Errorf("listening for %s: %w (another run may have the port: give another one, or %[1]s '' for none)", l.flag, err)
	}
	return stop, nil
}
