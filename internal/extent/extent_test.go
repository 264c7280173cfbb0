package extent_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/extent"
)

// scatter writes bytes to a file in pieces, in another order and with others between them,
// and keeps some in memory.
func scatter(t *testing.T, rng *rand.Rand, data []byte) (*os.File, []extent.Extent) {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	var all []extent.Extent
	off := int64(rng.IntN(5000)) + int64(2*len(data))
	for rest := data; len(rest) > 0; {
		n := 1 + rng.IntN(len(rest))
		piece := rest[:n]
		rest = rest[n:]
		if rng.IntN(3) == 0 {
			all = append(all, extent.Extent{N: int64(n), Data: piece})
			continue
		}
		off -= int64(n + rng.IntN(3))
		if _, err := f.WriteAt(piece, off); err != nil {
			t.Fatal(err)
		}
		all = append(all, extent.Extent{Off: off, N: int64(n)})
	}
	return f, all
}

func random(rng *rand.Rand, n int) []byte {
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	return data
}

// Any range, of pieces in any order, reads as the original bytes.
func TestReader(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for range 50 {
		data := random(rng, 1+rng.IntN(3000))
		f, all := scatter(t, rng, data)
		r := extent.NewReader(f, all, int64(len(data)))
		from := rng.IntN(len(data))
		buf := make([]byte, 1+rng.IntN(2*len(data)))
		n, err := r.ReadAt(buf, int64(from))
		want := data[from:min(len(data), from+len(buf))]
		if !bytes.Equal(buf[:n], want) || (err == io.EOF) != (n < len(buf)) {
			t.Fatalf("%d bytes from %d on: %d bytes, %v", len(buf), from, n, err)
		}
	}
}

// pair returns both ends of a connection over the loopback interface.
func pair(t *testing.T) (ours *extent.Conn, end func(), theirs net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	theirs, err = net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(); theirs.Close() })
	ours, ok := extent.NewConn(conn.(*net.TCPConn))
	if !ok {
		t.Skip("bytes are copied on this system")
	}
	return ours, func() { conn.Close() }, theirs
}

// The received bytes are the original ones, even if the connection accepts only some at a
// time.
func TestSend(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	for _, size := range []int{1, 100, 70_000, 9_000_000} {
		data := random(rng, size)
		f, all := scatter(t, rng, data)
		ours, end, theirs := pair(t)
		from := rng.IntN(size)
		want := data[from:]
		var steps, sent int64
		done := make(chan error, 1)
		go func() {
			var err error
			sent, err = ours.Send(f, extent.Slice(all, int64(from), int64(size)), func() { steps++ })
			end()
			done <- err
		}()
		got, err := io.ReadAll(theirs)
		if errSend := <-done; errSend != nil || err != nil {
			t.Fatal(errSend, err)
		}
		if !bytes.Equal(got, want) || sent != int64(len(want)) || steps == 0 {
			t.Errorf("of %d bytes from %d on %d arrived, %d were sent in %d steps", size, from, len(got), sent, steps)
		}
	}
}

// H5: a truncated file is reported as such, and not as a fault of the client.
func TestSendOfAFileThatWasCut(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(random(rng, 1000)); err != nil {
		t.Fatal(err)
	}
	ours, _, _ := pair(t)
	sent, err := ours.Send(f, []extent.Extent{{N: 1001}}, func() {})
	if sent != 1000 || !errors.Is(err, extent.ErrRead) || !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("%d bytes: %v", sent, err)
	}
	ours, end, _ := pair(t)
	end()
	if _, err := ours.Send(f, []extent.Extent{{N: 1000}}, func() {}); err == nil || errors.Is(err, extent.ErrRead) {
		t.Errorf("a connection that is closed: %v", err)
	}
}
