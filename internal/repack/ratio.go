package repack

import "math"

// ratios is what a pack takes for a byte of the .crates in it, by how many versions of
// its crate come together: docs/measurements.md, "The deep archive", names the crates,
// and how far others are from it.
var ratios = []struct {
	versions int
	ratio    float64
}{{1, 0.88}, {2, 0.44}, {4, 0.245}, {8, 0.18}, {16, 0.125}, {32, 0.091}, {60, 0.070}}

// What a GB of .crates takes of one core, in seconds: to find the encoder of each and
// to compress, and to rebuild each from the disk and hash it. The source is the same.
const (
	packSeconds  = 500
	proveSeconds = 200
)

// Ratio estimates what the deep archive takes for a byte of the .crates of a crate that
// has so many versions. Between two measured numbers it is interpolated over the
// logarithm.
func Ratio(versions int) float64 {
	n := float64(share(max(versions, 1)))
	for i := 1; i < len(ratios); i++ {
		low, high := ratios[i-1], ratios[i]
		if n <= float64(high.versions) {
			part := math.Log(n/float64(low.versions)) / math.Log(float64(high.versions)/float64(low.versions))
			return low.ratio + part*(high.ratio-low.ratio)
		}
	}
	return ratios[len(ratios)-1].ratio
}
