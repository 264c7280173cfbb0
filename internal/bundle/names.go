package bundle

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

const (
	namePrefix = "bundle-"
	// Ext is the extension of bundles.
	Ext = ".tar.zst"
	// MaxNumber is the highest number of a bundle.
	MaxNumber = 999_999_999
	minDigits = 4
)

// Name identifies a bundle in a folder: bundle-0042.tar.zst. Where several machines share
// the work of one mirror, it includes the shard, so that no two of them ever use the same
// name: bundle-s3of8-0042.tar.zst.
type Name struct {
	Shard  crate.Shard
	Number int
}

// FileName returns the file name of a bundle that is not of a shard: bundle-0042.tar.zst.
func FileName(number int) string { return Name{Number: number}.String() }

// String returns the file name.
func (n Name) String() string { return n.Stem() + Ext }

// Stem returns the file name without its extension: the names of all files that belong to a
// bundle begin with it.
func (n Name) Stem() string {
	shard := n.Shard.Label()
	if shard != "" {
		shard += "-"
	}
	return fmt.Sprintf("%s%s%0*d", namePrefix, shard, minDigits, n.Number)
}

// ParseFileName is the inverse of Name.String.
func ParseFileName(name string) (Name, error) {
	n, rest, ok := CutName(name)
	if !ok || rest != Ext {
		return Name{}, fmt.Errorf("%.80q is not %sNNNN%s", name, namePrefix, Ext)
	}
	return n, nil
}

// CutName splits the name of a file that belongs to a bundle after the number.
func CutName(name string) (n Name, rest string, ok bool) {
	digits, ok := strings.CutPrefix(name, namePrefix)
	if !ok {
		return Name{}, "", false
	}
	if label, behind, found := strings.Cut(digits, "-"); found && strings.HasPrefix(label, "s") {
		shard, err := crate.ParseShardLabel(label)
		if err != nil {
			return Name{}, "", false
		}
		n.Shard, digits = shard, behind
	}
	if end := strings.IndexFunc(digits, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		digits, rest = digits[:end], digits[end:]
	}
	var err error
	if n.Number, err = strconv.Atoi(digits); err != nil || n.Number > MaxNumber || n.Stem()+rest != name {
		return Name{}, "", false
	}
	return n, rest, true
}
