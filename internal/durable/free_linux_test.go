package durable

import (
	"testing"

	"golang.org/x/sys/unix"
)

// A network file system may prefer transfers of a megabyte and count blocks of 4 KB.
func TestSpaceIsCountedInFragments(t *testing.T) {
	for _, tt := range []struct{ bsize, frsize, want int64 }{
		{4096, 4096, 4096}, {1 << 20, 4096, 4096}, {4096, 0, 4096},
	} {
		if got := blockSize(&unix.Statfs_t{Bsize: tt.bsize, Frsize: tt.frsize}); got != tt.want {
			t.Errorf("blocks of %d, fragments of %d: unit is %d, want %d", tt.bsize, tt.frsize, got, tt.want)
		}
	}
}
