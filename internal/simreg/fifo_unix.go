//go:build unix

package simreg

import "syscall"

func makeFIFO(name string) error { return syscall.Mkfifo(name, 0o644) }
