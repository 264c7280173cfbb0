package durable

import (
	"context"
	"os"
)

// openStream opens NUL, CON and the like. There are no FIFOs that have a path.
func openStream(_ context.Context, path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err == nil {
		err = checkStream(info.Mode())
	}
	if err != nil {
		return nil, err
	}
	return os.OpenFile(path, os.O_WRONLY, 0)
}
