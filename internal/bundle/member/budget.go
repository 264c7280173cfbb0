package member

import "math"

// Crates are compressed, so a bundle is about as large as what is in it. One
// that holds more than maxRatio times its size, beyond a little that may be
// anything, is a bomb (F4).
const (
	maxRatio = 20
	anyway   = 64 << 20
)

// Budget bounds the bytes that one reading of a bundle decodes, whatever they
// turn out to be: members, the same ones again, or nothing that can be used.
type Budget struct{ left int64 }

// NewBudget is the budget of a bundle whose file has size bytes.
func NewBudget(size int64) Budget {
	if size > (math.MaxInt64-anyway)/maxRatio {
		return Unlimited
	}
	return Budget{maxRatio*size + anyway}
}

// Unlimited is for bytes that we have written.
var Unlimited = Budget{math.MaxInt64}

// Spend takes n bytes that are about to be decoded, and fails with ErrBomb if
// there are not so many left.
func (b *Budget) Spend(n int64) error {
	if b.left -= n; b.left < 0 {
		return ErrBomb
	}
	return nil
}

// Left is how many bytes may still be spent.
func (b *Budget) Left() int64 { return b.left }
