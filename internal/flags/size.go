package flags

import (
	"fmt"
	"strconv"
	"strings"
)

// sizes are the units of a size.
var sizes = []struct {
	unit  string
	bytes int64
}{{"TiB", 1 << 40}, {"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"kB", 1e3}, {"B", 1}}

// ParseSize reads a size such as 4GiB.
func ParseSize(text string) (int64, error) {
	for _, s := range sizes {
		digits, ok := strings.CutSuffix(text, s.unit)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 0 || n > (1<<50)/s.bytes {
			break
		}
		return n * s.bytes, nil
	}
	return 0, fmt.Errorf("%q is no size", text)
}
