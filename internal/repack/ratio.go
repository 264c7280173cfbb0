package repack

import "math"

// ratios is the size of a pack per byte of its .crates, by the number of versions packed
// together. docs/measurements.md, "The deep archive", names the crates, and how much others
// differ.
var ratios = []struct {
	versions int
	ratio    float64
}{{1, 0.88}, {2, 0.44}, {4, 0.245}, {8, 0.18}, {16, 0.125}, {32, 0.091}, {60, 0.070}}

// Seconds of one core per GB of .crates: to find the encoder of each and to compress, and
// to rebuild each from the disk and hash it. The source is the same.
const (
	packSeconds  = 500
	proveSeconds = 200
)

// Ratio estimates the size in the deep archive per byte of the .crates of a crate with a
// number of versions. Between measured numbers it interpolates over the logarithm.
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
