package jetstream

import (
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startServer runs a NATS server in this process, and returns its URL.
func startServer(t *testing.T, change func(*server.Options)) (*server.Server, string) {
	t.Helper()
	opt := &server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true}
	if change != nil {
		change(opt)
	}
	s, err := server.NewServer(opt)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	return s, s.ClientURL()
}

// realServer runs the nats-server program, where there is one, else one in this process.
func realServer(t *testing.T) string {
	t.Helper()
	program, err := exec.LookPath("nats-server")
	if err != nil {
		_, url := startServer(t, nil)
		return url
	}
	dir := t.TempDir()
	cmd := exec.Command(program, "-a", "127.0.0.1", "-p", "-1", "-js", "-sd", dir, "--ports_file_dir", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() })
	for range 200 {
		files, _ := filepath.Glob(filepath.Join(dir, "*.ports"))
		if len(files) == 1 {
			data, err := os.ReadFile(files[0])
			if _, rest, ok := strings.Cut(string(data), `"nats://`); err == nil && ok {
				return "nats://" + rest[:strings.IndexByte(rest, '"')]
			}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("nats-server does not say where it listens")
	return ""
}

func openQueue(t *testing.T, url string, wait time.Duration) *Queue {
	t.Helper()
	q, err := Open(Config{URL: url, Wait: wait, Name: t.Name(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(q.Close)
	if err := q.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	return q
}
