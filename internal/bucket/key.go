package bucket

import (
	"fmt"
	"io/fs"
	"strings"
	"unicode/utf8"
)

// maxKey is S3's limit in bytes, including the prefix of the bucket's address.
const maxKey = 1024

// CheckKey returns an error unless every bucket accepts the key: a clean relative path of
// at most 1,024 bytes of UTF-8 without control characters. Some gateways turn any other key
// into a different one.
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
