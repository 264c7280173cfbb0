//go:build !linux

package main

import "fmt"

func powerCut(*world) error { return fmt.Errorf("%w: needs Linux", errLeftOut) }
