package bundle

import (
	"fmt"
	"strconv"
	"strings"
)

const (
	namePrefix = "bundle-"
	// Ext ends the name of a bundle.
	Ext = ".tar.zst"
	// MaxNumber is the highest number of a bundle.
	MaxNumber = 999_999_999
	minDigits = 4
)

// FileName returns the name of the bundle with a number: bundle-0042.tar.zst.
func FileName(number int) string { return stem(number) + Ext }

func stem(number int) string { return fmt.Sprintf("%s%0*d", namePrefix, minDigits, number) }

// ParseFileName is the inverse of FileName.
func ParseFileName(name string) (number int, err error) {
	n, rest, ok := CutNumber(name)
	if !ok || rest != Ext {
		return 0, fmt.Errorf("%.80q is not %sNNNN%s", name, namePrefix, Ext)
	}
	return n, nil
}

// CutNumber splits the name of a file that belongs to a bundle behind the
// number.
func CutNumber(name string) (number int, rest string, ok bool) {
	digits, ok := strings.CutPrefix(name, namePrefix)
	if !ok {
		return 0, "", false
	}
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits, rest = digits[:end], digits[end:]
	}
	n, err := strconv.Atoi(digits)
	if err != nil || n > MaxNumber || namePrefix+digits != stem(n) {
		return 0, "", false
	}
	return n, rest, true
}
