package bucket

import (
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf8"
)

// maxKey is S3's limit, in bytes, with the prefix of the bucket's address.
const maxKey = 1024

// CheckKey fails unless key can be one of an object in every bucket: a relative clean
// path of at most 1,024 bytes of UTF-8 without control characters. Some gateways turn
// anything else into another key.
func CheckKey(key string) error {
	switch {
	case !fs.ValidPath(key) || key == ".":
		return fmt.Errorf("key %q is not a clean relative path", key)
	case len(key) > maxKey:
		return fmt.Errorf("key %.40q... has %d bytes, at most %d can be", key, len(key), maxKey)
	case !printable(key):
		return fmt.Errorf("key %q has characters that cannot be in a key", key)
	}
	return nil
}

func printable(key string) bool {
	return utf8.ValidString(key) && !strings.ContainsFunc(key, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' })
}
