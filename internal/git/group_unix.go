//go:build unix

package git

import (
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

// started is called when the command was started.
func (g *group) started() error { return nil }

// end kills what is left of the group when its git has ended early.
func (g *group) end(early bool) {
	if early {
		_ = g.signal(syscall.SIGKILL) // there may be nothing left
	}
}

func (g *group) signal(s syscall.Signal) error { return syscall.Kill(-g.cmd.Process.Pid, s) }
