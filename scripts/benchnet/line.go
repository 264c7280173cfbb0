//go:build unix

package main

import (
	"io"
	"net"
	"sync"
	"time"
)

// line is a network between clients and a server: each byte takes half a round trip
// in both directions, and what the server sends goes through one line of some rate that
// all connections share.
type line struct {
	delay time.Duration // one way
	rate  float64       // bytes a second

	mu   sync.Mutex
	free time.Time // when the line has sent all that it was given
}

// chunk is some bytes on their way.
type chunk struct {
	data []byte
	due  time.Time
}

const (
	chunkSize = 16 << 10
	// inLine is how many chunks of a connection may be on their way; the server waits
	// when there are more, as it does for a receive window.
	inLine = 1024
)

// run carries connections between l and the server until l is closed.
func (n *line) run(l net.Listener, server string) error {
	for {
		client, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			far, err := net.Dial("tcp", server)
			if err != nil {
				client.Close()
				return
			}
			go n.carry(far, client, func(int) time.Duration { return 0 })
			n.carry(client, far, n.queue)
		}()
	}
}

// queue returns how long it takes until size more bytes have gone through the line.
func (n *line) queue(size int) time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	if n.free.Before(now) {
		n.free = now
	}
	n.free = n.free.Add(time.Duration(float64(size) / n.rate * float64(time.Second)))
	return n.free.Sub(now)
}

// carry brings what comes from src to dst, later.
func (n *line) carry(dst io.WriteCloser, src io.ReadCloser, queue func(int) time.Duration) {
	chunks := make(chan chunk, inLine)
	go func() {
		defer close(chunks)
		for {
			data := make([]byte, chunkSize)
			k, err := src.Read(data)
			if k > 0 {
				chunks <- chunk{data[:k], time.Now().Add(queue(k) + n.delay)}
			}
			if err != nil {
				return
			}
		}
	}()
	for c := range chunks {
		time.Sleep(time.Until(c.due))
		if _, err := dst.Write(c.data); err != nil {
			break
		}
	}
	dst.Close()
	src.Close()
	for range chunks { // so that the reader ends
	}
}
