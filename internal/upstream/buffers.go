package upstream

import (
	"math/bits"
	"sync"
)

// Buffers have sizes that are powers of two, and are used again: allocating and clearing
// them would cost as much as hashing their content.
const (
	smallestBuffer = 12 // 4 KiB
	largestBuffer  = 20 // 1 MiB; larger ones are rare and not pooled
	spillBuffer    = 64 << 10
)

var buffers [largestBuffer + 1]sync.Pool // by log2 of the size; of *[]byte

// bufferSize returns the size of the buffer that holds n bytes.
func bufferSize(n int64) int64 {
	if n > 1<<largestBuffer {
		return n
	}
	return 1 << bufferClass(n)
}

func bufferClass(n int64) int { return max(smallestBuffer, bits.Len64(uint64(max(0, n-1)))) }

// getBuffer returns a buffer with a size that bufferSize returned. Its content is
// arbitrary.
func getBuffer(size int64) *[]byte {
	if size <= 1<<largestBuffer {
		if b, ok := buffers[bufferClass(size)].Get().(*[]byte); ok {
			return b
		}
	}
	b := make([]byte, size)
	return &b
}

func putBuffer(b *[]byte) {
	if len(*b) <= 1<<largestBuffer {
		buffers[bufferClass(int64(len(*b)))].Put(b)
	}
}
