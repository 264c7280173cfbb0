package deep

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	namePrefix = "deep-"
	// Ext ends the name of a segment, PartExt that of one that is not finished.
	Ext     = ".zst"
	PartExt = ".part"
	// MaxNumber is the highest number of a segment.
	MaxNumber = 999_999_999
	minDigits = 4
)

// FileName returns the name of the segment with a number: deep-0042.zst.
func FileName(number int) string {
	return fmt.Sprintf("%s%0*d%s", namePrefix, minDigits, number, Ext)
}

// ParseFileName is the inverse of FileName.
func ParseFileName(name string) (number int, err error) {
	digits := strings.TrimSuffix(strings.TrimPrefix(name, namePrefix), Ext)
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n > MaxNumber || FileName(int(n)) != name {
		return 0, fmt.Errorf("%.80q is not %sNNNN%s", name, namePrefix, Ext)
	}
	return int(n), nil
}
