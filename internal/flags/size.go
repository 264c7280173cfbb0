package flags

import (
	"fmt"
	"strconv"
	"strings"
)

// sizes maps lower-case units to bytes. A single letter is a power of 1024, as in dd, split
// and du.
var sizes = map[string]int64{
	"": 1, "b": 1, "bytes": 1,
	"kb": 1e3, "mb": 1e6, "gb": 1e9, "tb": 1e12,
	"k": 1 << 10, "m": 1 << 20, "g": 1 << 30, "t": 1 << 40,
	"kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40,
}

// ParseSize parses a size as people write it: 4GiB, 700 MB, 300K, 4294967296. It ignores
// case. The largest size is 1 PiB.
func ParseSize(text string) (int64, error) {
	unit := strings.TrimLeft(text, "0123456789")
	digits := text[:len(text)-len(unit)]
	bytes, known := sizes[strings.ToLower(strings.TrimPrefix(unit, " "))]
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || !known || n > (1<<50)/bytes {
		return 0, fmt.Errorf("%q is no size, such as 4GiB, 700MB or 300000", text)
	}
	return n * bytes, nil
}
