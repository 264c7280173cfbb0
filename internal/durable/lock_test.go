package durable_test

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
)

func TestC20SecondLockIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	owner := durable.Self("clonecratesio sync")
	first, err := durable.Lock(path, owner)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	_, err = durable.Lock(path, durable.Self("clonecratesio verify"))
	if time.Since(start) > time.Second {
		t.Error("the second Lock waited")
	}
	held, ok := errors.AsType[*durable.HeldError](err)
	if !ok {
		t.Fatalf("the second Lock: %v", err)
	}
	if diff := cmp.Diff(owner, held.Owner); diff != "" {
		t.Errorf("owner (-want +got):\n%s", diff)
	}
	held.Owner = durable.Owner{PID: 42, Host: "h\x1b[2J", Start: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Command: "clonecratesio sync"}
	want := path + ` is locked by process 42 on host "h\x1b[2J" since 2026-01-02T03:04:05Z, running "clonecratesio sync"`
	if held.Error() != want {
		t.Errorf("text is %s\nwant    %s", held, want)
	}
	if err := first.Release(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Errorf("the file must stay: %v", err)
	}
	again, err := durable.Lock(path, owner)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Release(); err != nil {
		t.Error(err)
	}
}

// TestC22LockOfDeadProcess runs itself as the process that takes the lock and is killed.
func TestC22LockOfDeadProcess(t *testing.T) {
	const env = "DURABLE_LOCK"
	if path := os.Getenv(env); path != "" {
		if _, err := durable.Lock(path, durable.Self("victim")); err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("locked\n")
		io.Copy(io.Discard, os.Stdin) // until killed
		return
	}
	path := filepath.Join(t.TempDir(), "lock")
	cmd := exec.Command(os.Args[0], "-test.run=^TestC22LockOfDeadProcess$")
	cmd.Env = append(os.Environ(), env+"="+path)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer stdin.Close()
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "locked\n" {
		t.Errorf("the subprocess says %q, %v", line, err)
	}
	_, err = durable.Lock(path, durable.Self("heir"))
	held, ok := errors.AsType[*durable.HeldError](err)
	if !ok || held.Owner.PID != cmd.Process.Pid || held.Owner.Command != "victim" {
		t.Errorf("Lock while it lives: %v", err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // its error is the kill
	lock, err := durable.Lock(path, durable.Self("heir"))
	if err != nil {
		t.Fatalf("Lock after its death: %v", err)
	}
	if err := lock.Release(); err != nil {
		t.Error(err)
	}
}

// The content of the file is no obstacle, unless it is clearly not a lock file.
func TestC22LockFileContent(t *testing.T) {
	for _, tt := range []struct {
		name, content string
		ok            bool
	}{
		{"dead owner", `{"pid":1,"host":"elsewhere"}`, true},
		{"torn", `{"pid":1,"ho`, true},
		{"zeros", "\x00\x00\x00", true},
		{"no lock file", strings.Repeat("precious", 1000), false},
	} {
		path := filepath.Join(t.TempDir(), "lock")
		if err := os.WriteFile(path, []byte(tt.content), 0o644); err != nil {
			t.Fatal(err)
		}
		lock, err := durable.Lock(path, durable.Self("test"))
		if ok := err == nil; ok != tt.ok {
			t.Errorf("%s: Lock = %v", tt.name, err)
		}
		if err == nil {
			if err := lock.Release(); err != nil {
				t.Error(err)
			}
		} else if got, _ := os.ReadFile(path); string(got) != tt.content {
			t.Errorf("%s: the file was overwritten", tt.name)
		}
	}
}

func TestC26LockFollowsNoLink(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	if err := os.WriteFile(target, []byte("precious"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, filepath.Join(dir, "lock")); err != nil {
		t.Skip(err)
	}
	if _, err := durable.Lock(filepath.Join(dir, "lock"), durable.Self("test")); !errors.Is(err, durable.ErrNotRegular) {
		t.Errorf("Lock = %v", err)
	}
	if got, _ := os.ReadFile(target); string(got) != "precious" {
		t.Errorf("the target holds %q", got)
	}
}
