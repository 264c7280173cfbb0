package bundle

import "math"

// Crates are compressed, so a bundle is about as large as what is in it. One
// that holds more than maxRatio times its size, beyond a little that may be
// anything, is a bomb (F4).
const (
	maxRatio = 20
	anyway   = 64 << 20
)

// budget bounds the bytes that one reading of a bundle decodes, whatever they
// turn out to be: members, the same ones again, or nothing that can be used.
type budget struct{ left int64 }

// newBudget is the budget of a bundle whose file has size bytes.
func newBudget(size int64) budget {
	if size > (math.MaxInt64-anyway)/maxRatio {
		return unlimited
	}
	return budget{maxRatio*size + anyway}
}

// unlimited is for bytes that we have written.
var unlimited = budget{math.MaxInt64}

// spend takes n bytes that are about to be decoded, and fails with ErrBomb if
// there are not so many left.
func (b *budget) spend(n int64) error {
	if b.left -= n; b.left < 0 {
		return ErrBomb
	}
	return nil
}
