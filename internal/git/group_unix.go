//go:build unix

package git

import (
	"errors"
	"os/exec"
	"syscall"
)

// A group is a git and the programs that it runs, such as those for HTTP or SSH. They must end
// together: one that waits for a peer does not notice that git ended.
type group struct{ cmd *exec.Cmd }

// newGroup prepares a command that has not started yet. It gets its own session, so that
// nothing it runs can ask questions at a terminal.
func newGroup(cmd *exec.Cmd) *group {
	g := &group{cmd}
	cmd.SysProcAttr = session()
	cmd.Cancel = func() error { return g.signal(syscall.SIGTERM) }
	return g
}

// apart protects a command from signals that a terminal, or timeout(1), sends to our process
// group: we end it ourselves when its answers are no longer needed.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// asked reports whether a command ended because of a signal that asks it to. A supervisor may
// send one to all our processes.
func asked(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && (status.Signal() == syscall.SIGTERM || status.Signal() == syscall.SIGINT)
}

// started must be called when the command has started.
func (g *group) started() error { return nil }

// end kills the rest of the group if its git ended early.
func (g *group) end(early bool) {
	if early {
		_ = g.signal(syscall.SIGKILL) // fails if nothing is left
	}
}

func (g *group) signal(s syscall.Signal) error { return syscall.Kill(-g.cmd.Process.Pid, s) }
