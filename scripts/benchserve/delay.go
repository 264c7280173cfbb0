//go:build linux

package main

import (
	"net"
	"net/url"
	"time"
)

// A line is between clients and a server. It takes a time there and back; its rate
// nothing bounds.
type line struct {
	net.Listener
	roundTrip time.Duration
}

func newLine(roundTrip time.Duration) (*line, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	return &line{l, roundTrip}, err
}

// carryTo accepts connections, and connects each with the server at to.
func (l *line) carryTo(to string) {
	for {
		near, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			time.Sleep(l.roundTrip) // of the handshake
			far, err := net.Dial("tcp", to)
			if err != nil {
				near.Close()
				return
			}
			go carry(far, near, l.roundTrip/2)
			carry(near, far, l.roundTrip/2)
		}()
	}
}

// behind puts a line before a server, which then is reached at the address of the line.
func (s *server) behind(l *line) error {
	u, err := url.Parse(s.url)
	if err != nil {
		return err
	}
	to := u.Host
	u.Host = l.Addr().String()
	s.url = u.String()
	go l.carryTo(to)
	return nil
}

// piece is bytes that arrive at a time.
type piece struct {
	data []byte
	at   time.Time
}

// carry hands on what comes, later.
func carry(to, from net.Conn, later time.Duration) {
	line := make(chan piece, 1<<10)
	go func() {
		defer close(line)
		for {
			buf := make([]byte, 16<<10)
			n, err := from.Read(buf)
			if n > 0 {
				line <- piece{buf[:n], time.Now().Add(later)}
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
	for range line { // until the other side has ended
	}
}
