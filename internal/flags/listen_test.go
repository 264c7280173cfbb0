package flags

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
)

// A run starts even if another program uses the default port, as Prometheus uses 9090. If the
// user has given the port and the process keeps running, it does not start (A14).
func TestH15DefaultPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for n := range 4 {
		given, needed := n&1 > 0, n&2 > 0
		var log strings.Builder
		l := Listen{flag: "-listen", Addr: taken.Addr().String(), given: given, Needed: needed}
		stop, err := l.Serve(http.NotFoundHandler(), slog.New(slog.NewTextHandler(&log, nil)))
		if (err != nil) != (given && needed) || strings.Contains(log.String(), "level=WARN msg=\"metrics and status are not served") == (err != nil) {
			t.Errorf("given %t, needed %t: %v, %s", given, needed, err, log.String())
		}
		if err == nil {
			stop()
		}
	}
	for _, tt := range []struct {
		args  []string
		given bool
	}{{nil, false}, {[]string{"-listen", ":9090"}, true}, {[]string{"-listen", ""}, true}} {
		var l Listen
		cmd := &cli.Command{Flags: []cli.Flag{l.Flag("listen", ":9090")}, Action: func(context.Context, *cli.Command) error { return nil }}
		if err := cmd.Run(t.Context(), append([]string{"x"}, tt.args...)); err != nil || l.given != tt.given {
			t.Errorf("%q: given %t, %v", tt.args, l.given, err)
		}
	}
}
