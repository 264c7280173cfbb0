//go:build unix && !linux

package index

import "syscall"

// session makes a command the leader of a session.
func session() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setsid: true} }
