//go:build !unix

package main

import "time"

var start = time.Now()

// now returns wall time, where CPU time is not available.
func now() time.Duration { return time.Since(start) }
