//go:build unix

package git

import (
	"errors"
	"os/exec"
	"syscall"
)

// A group is a git and the programs that it runs, such as those that speak HTTP or
// SSH. They end together: one that waits for a peer does not notice that git ended.
type group struct{ cmd *exec.Cmd }

// newGroup prepares a command that was not started yet. It is in a session of its
// own: nothing that it runs can ask questions at a terminal.
func newGroup(cmd *exec.Cmd) *group {
	g := &group{cmd}
	cmd.SysProcAttr = session()
	cmd.Cancel = func() error { return g.signal(syscall.SIGTERM) }
	return g
}

// apart keeps a command from the signals that a terminal, or timeout(1), sends to all of
// our group: we end it ourselves, when its answers are not needed any more.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// asked reports whether a command was ended by a signal that asks for that, which a
// supervisor may send to all that we have started.
func asked(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && (status.Signal() == syscall.SIGTERM || status.Signal() == syscall.SIGINT)
}

// started is called when the command was started.
func (g *group) started() error { return nil }

// end kills what is left of the group when its git has ended early.
func (g *group) end(early bool) {
	if early {
		_ = g.signal(syscall.SIGKILL) // there may be nothing left
	}
}

func (g *group) signal(s syscall.Signal) error { return syscall.Kill(-g.cmd.Process.Pid, s) }
