package git

import "syscall"

// session makes a command the leader of a session, and lets the kernel end it when this
// process is killed: otherwise it would keep the lock of the index while it waits for
// upstream.
func session() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
}
