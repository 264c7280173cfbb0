package registry

import (
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/extent"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/plainget"
)

// A limitListener accepts a limited number of connections at a time. Others wait in the
// system's queue.
type limitListener struct {
	net.Listener
	log   *slog.Logger
	slots chan struct{} // one for each connection, and one for the next to come
	each  int           // maximum number of connections per address; 0: no such limit

	mu  sync.Mutex     // guards what follows
	per map[string]int // connections, by address

	open atomic.Int64 // connections
	done chan struct{}
	once sync.Once // closes done
}

func newLimitListener(l net.Listener, most int, log *slog.Logger) *limitListener {
	return &limitListener{Listener: l, log: log, slots: make(chan struct{}, most), done: make(chan struct{}), per: map[string]int{}}
}

// Accept implements net.Listener. After a temporary error, such as too many open files,
// net/http waits and tries again (H8).
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
	addr, room := l.enter(conn.RemoteAddr())
	if !room { // others wait for it; this client sees its connection end
		<-l.slots
		_ = conn.Close()
		l.log.Debug("closing a connection: its address has too many", "client", addr)
		return l.Accept()
	}
	l.open.Add(1)
	return &limitedConn{Conn: conn, of: l, addr: addr}, nil
}

// enter counts a connection of an address if its limit allows it.
func (l *limitListener) enter(remote net.Addr) (addr string, room bool) {
	if l.each == 0 {
		return "", true
	}
	addr, _, err := net.SplitHostPort(remote.String())
	if err != nil {
		addr = remote.String()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.per[addr] >= l.each {
		return addr, false
	}
	l.per[addr]++
	return addr, true
}

func (l *limitListener) leave(addr string) {
	if l.each == 0 {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.per[addr]--; l.per[addr] <= 0 {
		delete(l.per, addr)
	}
}

// Close implements net.Listener.
func (l *limitListener) Close() error {
	l.once.Do(func() { close(l.done) })
	return l.Listener.Close()
}

type limitedConn struct {
	net.Conn
	of   *limitListener
	addr string
	once sync.Once

	plain   *plainget.Conn // nil: net/http reads all requests
	held    []byte         // written, but not sent yet; nil: nothing is held back
	kernel  *extent.Conn   // nil: the kernel cannot send files to it
	sending func()         // called as the client receives a crate file; nil: none is being sent
}

// Read implements net.Conn.
func (c *limitedConn) Read(p []byte) (int, error) {
	if c.plain == nil {
		return c.Conn.Read(p)
	}
	return c.plain.Read(p)
}

// SetReadDeadline implements net.Conn.
func (c *limitedConn) SetReadDeadline(t time.Time) error {
	if c.plain == nil {
		return c.Conn.SetReadDeadline(t)
	}
	return c.plain.SetReadDeadline(t)
}

// Close implements net.Conn.
func (c *limitedConn) Close() error {
	if c.plain != nil && !c.plain.Close() {
		return nil
	}
	err := c.Conn.Close()
	c.once.Do(func() {
		c.of.open.Add(-1)
		c.of.leave(c.addr)
		<-c.of.slots
	})
	return err
}
