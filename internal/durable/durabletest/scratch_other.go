//go:build !linux

package durabletest

func memory() string { return "" }
