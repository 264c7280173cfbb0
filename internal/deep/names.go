package deep

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/partfile"
)

const (
	namePrefix = "deep-"
	// Ext is the extension of segments, PartExt that of unfinished ones.
	Ext     = ".zst"
	PartExt = partfile.Ext
	// MaxNumber is the highest number of a segment.
	MaxNumber = 999_999_999
	minDigits = 4
)

// Name identifies a segment in a folder: deep-0042.zst or, where several machines share the
// work of one mirror, deep-s3of8-0042.zst.
type Name struct {
	Shard  crate.Shard
	Number int
}

// FileName returns the file name of a segment that is not of a shard: deep-0042.zst.
func FileName(number int) string { return Name{Number: number}.String() }

// String returns the file name.
func (n Name) String() string {
	shard := n.Shard.Label()
	if shard != "" {
		shard += "-"
	}
	return fmt.Sprintf("%s%s%0*d%s", namePrefix, shard, minDigits, n.Number, Ext)
}

// ParseFileName is the inverse of Name.String.
func ParseFileName(name string) (n Name, err error) {
	rest := strings.TrimSuffix(strings.TrimPrefix(name, namePrefix), Ext)
	label, digits, found := strings.Cut(rest, "-")
	if found {
		n.Shard, err = crate.ParseShardLabel(label)
	} else {
		digits = rest
	}
	number, errNumber := strconv.ParseUint(digits, 10, 32)
	n.Number = int(number)
	if err != nil || errNumber != nil || n.Number > MaxNumber || n.String() != name {
		return Name{}, fmt.Errorf("%.80q is not %sNNNN%s", name, namePrefix, Ext)
	}
	return n, nil
}
