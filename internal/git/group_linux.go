package git

import "syscall"

// session makes a command the leader of a session that ends when we are killed:
// waiting for upstream, it would keep the lock of the index.
func session() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGTERM}
}
