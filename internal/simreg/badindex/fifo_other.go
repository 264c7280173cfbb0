//go:build !unix

package badindex

import "errors"

func makeFIFO(string) error { return errors.ErrUnsupported }
