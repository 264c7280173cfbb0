//go:build unix && !linux

package git

import "syscall"

// session makes a command the leader of a session.
func session() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
