// Package line simulates a network between clients and a server on one machine, with a
// round-trip time and a bandwidth that all connections share.
package line

import (
	"net"
	"sync"
	"time"
)

// A Line listens on loopback and forwards each connection to a server.
type Line struct {
	net.Listener
	roundTrip time.Duration
	rate      float64 // bytes per second from the server, all connections together; 0: unlimited

	mu   sync.Mutex
	free time.Time // when everything sent so far has passed
}

// New opens a line with this round-trip time. It carries at most bytesPerSecond from the
// server; 0: unlimited.
func New(roundTrip time.Duration, bytesPerSecond float64) (*Line, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	return &Line{Listener: l, roundTrip: roundTrip, rate: bytesPerSecond}, err
}

// CarryTo accepts connections and forwards each to the server at to, until the line is closed.
func (l *Line) CarryTo(to string) {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			time.Sleep(l.roundTrip) // the handshake
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				return
			}
			go carry(far, near, func(int) time.Time { return time.Now().Add(l.roundTrip / 2) })
			carry(near, far, l.arrives)
		}()
	}
}

// arrives returns when n bytes arrive that the server sends now: after all earlier ones.
func (l *Line) arrives(n int) time.Time {
	now := time.Now()
	if l.rate == 0 {
		return now.Add(l.roundTrip / 2)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.free.Before(now) {
		l.free = now
	}
	l.free = l.free.Add(time.Duration(float64(n) / l.rate * float64(time.Second)))
	return l.free.Add(l.roundTrip / 2)
}

// piece is some bytes and the time at which they arrive.
type piece struct {
	data []byte
	at   time.Time
}

// carry forwards bytes at the time when they arrive.
func carry(to, from net.Conn, arrives func(n int) time.Time) {
	line := make(chan piece, 1<<10)
	go func() {
		defer close(line)
		for {
			buf := make([]byte, 16<<10)
			n, err := from.Read(buf)
			if n > 0 {
				line <- piece{buf[:n], arrives(n)}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range line {
		time.Sleep(time.Until(p.at))
		if _, err := to.Write(p.data); err != nil {
			break
		}
	}
	to.Close()
	for range line { // drain until the other side has ended
	}
}
