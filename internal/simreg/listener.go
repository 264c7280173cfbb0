package simreg

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync"
	"syscall"
)

// listener passes connections to the HTTP server, except those that meet silence.
type listener struct {
	net.Listener
	script *script
	work   *sync.WaitGroup
	quit   chan struct{}
	once   sync.Once
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.script.connection() == nil {
			return conn, nil
		}
		l.work.Add(1) // the caller, Serve, also counts as work
		go l.ignore(conn)
	}
}

// ignore discards what the client sends until it leaves or the server ends.
func (l *listener) ignore(conn net.Conn) {
	defer l.work.Done()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		io.Copy(io.Discard, conn) // any end is the end
	}()
	select {
	case <-gone:
	case <-l.quit:
	}
	conn.Close() // nothing was written
	<-gone
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.quit) })
	return l.Listener.Close()
}

func listen(addr string, memory bool) (net.Listener, error) {
	if memory {
		return &pipeListener{conns: make(chan net.Conn), quit: make(chan struct{})}, nil
	}
	return net.Listen("tcp4", addr)
}

// pipeListener accepts the other ends of pipes.
type pipeListener struct {
	conns chan net.Conn
	quit  chan struct{}
	once  sync.Once
}

// pipeAddr is an address that cannot be dialled.
type pipeAddr struct{}

func (pipeAddr) Network() string { return "pipe" }
func (pipeAddr) String() string  { return "simreg.invalid" }

func (l *pipeListener) Addr() net.Addr { return pipeAddr{} }

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.quit:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	l.once.Do(func() { close(l.quit) })
	return nil
}

func (l *pipeListener) dial(ctx context.Context, addr string) (net.Conn, error) {
	near, far := net.Pipe()
	select {
	case l.conns <- far:
		return near, nil
	case <-l.quit:
		return nil, errRefused(addr)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// errRefused returns TCP's error if nothing listens.
func errRefused(addr string) error {
	return fmt.Errorf("dialling %s: %w", addr, syscall.ECONNREFUSED)
}
