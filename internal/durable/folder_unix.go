//go:build unix && !linux

package durable

import (
	"os"

	"golang.org/x/sys/unix"
)

const (
	dirFlag      = unix.O_DIRECTORY
	nonblockFlag = unix.O_NONBLOCK // opening a FIFO must not block
	appendFlag   = os.O_APPEND
)
