//go:build !unix

package main

import "time"

var start = time.Now()

// now is the time on the wall, where that of the CPU is not to be had.
func now() time.Duration { return time.Since(start) }
