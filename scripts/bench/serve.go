//go:build linux

package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/scripts/internal/line"
)

// startServer starts this program again to serve the tree, behind a slow line if -latency or
// -rate ask for one.
func (b *bencher) startServer() (stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, "-serve", b.path("tree"), fmt.Sprintf("-rivals=%t", *rivals))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	stop = func() { cmd.Process.Kill(); cmd.Wait() }
	said, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return nil, fmt.Errorf("waiting for the server: %w", err)
	}
	address := strings.TrimSpace(said)
	if *latency > 0 || *rate > 0 {
		far, err := line.New(*latency, *rate*1e6/8)
		if err != nil {
			stop()
			return nil, err
		}
		go far.CarryTo(address)
		address = far.Addr().String()
	}
	b.base = "http://" + address
	return stop, nil
}

// serveTree answers GET requests from memory with as little work as possible, so that the
// client is what is measured.
func serveTree(tree string) error {
	answers := map[string][]byte{}
	names, err := filepath.Glob(filepath.Join(tree, "*", "*.crate"))
	if err != nil {
		return err
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(tree, name)
		if err != nil {
			return err
		}
		head := fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: application/gzip\r\nContent-Length: %d\r\n\r\n", len(data))
		path := "/" + strings.ReplaceAll(filepath.ToSlash(rel), "+", "%2B")
		answers[path] = append([]byte(head), data...)
		if *rivals { // v1.1.0 and romt do not escape the plus sign
			plain := strings.ReplaceAll(path, "%2B", "+")
			answers[plain], answers[downloadPath(path)], answers[downloadPath(plain)] = answers[path], answers[path], answers[path]
		}
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go answer(conn, answers)
	}
}

// downloadPath returns the path /NAME/NAME-VERSION.crate at which panamax and v1.1.0 look.
func downloadPath(path string) string {
	name, file, _ := strings.Cut(path[1:], "/")
	return "/" + name + "/" + strings.TrimSuffix(strings.TrimPrefix(file, name+"-"), ".crate") + "/download"
}

// answer serves one keep-alive connection.
func answer(conn net.Conn, answers map[string][]byte) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 4096)
	var path string
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return
		}
		if fields := bytes.Fields(line); len(fields) == 3 && string(fields[0]) == "GET" {
			path = string(fields[1])
		}
		if len(bytes.TrimSpace(line)) > 0 {
			continue
		}
		data, ok := answers[path]
		if !ok {
			data = []byte("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
		}
		if _, err := conn.Write(data); err != nil {
			return
		}
	}
}
