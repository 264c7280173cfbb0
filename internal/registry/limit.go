package registry

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
)

// A limitListener accepts only so many connections at a time. Others wait in
// the system's queue.
type limitListener struct {
	net.Listener
	log   *slog.Logger
	slots chan struct{} // one in it for each connection, and for one to come
	open  atomic.Int64  // connections
	done  chan struct{}
	once  sync.Once // closes done
}

func newLimitListener(l net.Listener, most int, log *slog.Logger) *limitListener {
	return &limitListener{Listener: l, log: log, slots: make(chan struct{}, most), done: make(chan struct{})}
}

// Accept implements net.Listener. net/http waits and tries again after an
// error that does not last, such as too many open files (H8).
func (l *limitListener) Accept() (net.Conn, error) {
	select {
	case l.slots <- struct{}{}:
	case <-l.done:
		return nil, net.ErrClosed
	}
	conn, err := l.Listener.Accept()
	if err != nil {
		<-l.slots
		if !errors.Is(err, net.ErrClosed) {
			l.log.Warn("accepting a connection", "err", err)
		}
		return nil, err
	}
	l.open.Add(1)
	return &limitedConn{Conn: conn, of: l}, nil
}

// Close implements net.Listener.
func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	of   *limitListener
	once sync.Once
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.of.open.Add(-1)
		<-c.of.slots
	})
	return err
}
