package cli

import (
	"context"
	"errors"
	"log/slog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/registry"
)

// local is a mirror that is served to this machine alone, for as long as a
// command looks at it.
type local struct {
	url  string
	view *reader.View
	stop context.CancelFunc
	done chan error
}

// serveLocal serves a mirror at any free port of the loopback interface.
func serveLocal(ctx context.Context, d *dirs, log *slog.Logger) (*local, error) {
	v, err := reader.Open(ctx, reader.Config{Dirs: d.Dirs, Log: log})
	if err != nil {
		return nil, err
	}
	server, err := registry.Listen(registry.ServerConfig{Addr: "127.0.0.1:0", Log: log})
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx)) // it ends with close
	l := &local{url: server.URL(), view: v, stop: stop, done: make(chan error, 1)}
	h := registry.New(registry.Config{Mirror: v, Log: log})
	go func() { l.done <- server.Serve(life, h) }()
	return l, nil
}

func (l *local) close() error {
	l.stop()
	return errors.Join(<-l.done, l.view.Close())
}
