package member

import "math"

// Crates are compressed, so a bundle is about as large as its content. One that
// decompresses to more than maxRatio times its size, beyond a small allowance, is a bomb
// (F4).
const (
	maxRatio = 20
	anyway   = 64 << 20
)

// Budget bounds the bytes that one reading of a bundle decodes, whatever they are: members,
// the same ones again, or unusable bytes.
type Budget struct{ left int64 }

// NewBudget returns the budget of a bundle whose file has size bytes.
func NewBudget(size int64) Budget {
	if size > (math.MaxInt64-anyway)/maxRatio {
		return Unlimited
	}
	return Budget{maxRatio*size + anyway}
}

// Unlimited is for bytes that we wrote ourselves.
var Unlimited = Budget{math.MaxInt64}

// Spend takes n bytes from the budget, before they are decoded. It returns ErrBomb if fewer
// are left.
func (b *Budget) Spend(n int64) error {
	if b.left -= n; b.left < 0 {
		return ErrBomb
	}
	return nil
}

// Left returns how many bytes may still be spent.
func (b *Budget) Left() int64 { return b.left }
