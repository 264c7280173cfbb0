package registry

import (
	"context"
	"errors"
	"log/slog"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/home"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// Local is a mirror served only to this machine, while a command needs it.
type Local struct {
	URL  string
	View *reader.View

	stop context.CancelFunc
	done chan error
}

// ServeLocal serves a mirror on a free port of the loopback interface.
func ServeLocal(ctx context.Context, d *home.Dirs, log *slog.Logger) (*Local, error) {
	v, err := reader.Open(ctx, reader.Config{Dirs: *d, Log: log})
	if err != nil {
		return nil, err
	}
	server, err := Listen(ServerConfig{Addr: "127.0.0.1:0", Log: log})
	if err != nil {
		return nil, errors.Join(err, v.Close())
	}
	life, stop := context.WithCancel(context.WithoutCancel(ctx)) // ends with Close
	l := &Local{URL: server.URL(), View: v, stop: stop, done: make(chan error, 1)}
	h := New(Config{Mirror: v, Log: log})
	go func() { l.done <- server.Serve(life, h) }()
	return l, nil
}

// Close stops the server.
func (l *Local) Close() error {
	l.stop()
	return errors.Join(<-l.done, l.View.Close())
}
