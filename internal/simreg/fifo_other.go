//go:build !unix

package simreg

import "errors"

func makeFIFO(string) error { return errors.ErrUnsupported }
