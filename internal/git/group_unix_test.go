//go:build unix

package git

import (
	"os/exec"
	"syscall"
	"testing"
)

// TestSignalsForAllOfUs checks that a signal to all processes (from a terminal to the group,
// from a supervisor to each) is not reported as a failure of git, and that a batch still
// answers until it is closed.
func TestSignalsForAllOfUs(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.CommandContext(t.Context(), "git", "init", "-q", "--bare", dir).CombinedOutput(); err != nil {
		t.Skipf("git: %s, %v", out, err)
	}
	b, err := (&Repository{Dir: dir}).Batch(t.Context(), "--batch")
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	pid := b.git.cmd.Process.Pid
	if group, err := syscall.Getpgid(pid); err != nil || group == syscall.Getpgrp() {
		t.Errorf("git is in our group: %d, %v", group, err)
	}
	if header, err := b.Ask("HEAD"); err != nil || header != "HEAD missing" {
		t.Fatalf("%q, %v", header, err)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
