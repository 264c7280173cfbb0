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

// A default port that another program has, as Prometheus has 9090, does not keep a
// run from its work. One that was asked for does.
func TestH15DefaultPortTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, given := range []bool{false, true} {
		var log strings.Builder
		l := Listen{flag: "-listen", Addr: taken.Addr().String(), given: given}
		stop, err := l.Serve(http.NotFoundHandler(), slog.New(slog.NewTextHandler(&log, nil)))
		if (err != nil) != given || strings.Contains(log.String(), "level=WARN msg=\"metrics and status are not served") == given {
			t.Errorf("given %t: %v, %s", given, err, log.String())
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
