package git

import (
	"crypto/sha1" // git's IDs
	"encoding/hex"
	"strconv"
)

// An ID is the SHA-1 ID of a git object. Equal content has the same ID in every repository.
type ID [20]byte

// String returns 40 lower-case hexadecimal digits.
func (id ID) String() string { return hex.EncodeToString(id[:]) }

// ParseID is the inverse of [ID.String]. It returns the zero ID if digits is invalid.
func ParseID(digits string) (id ID) {
	if raw, err := hex.DecodeString(digits); err == nil && len(raw) == len(id) {
		copy(id[:], raw)
	}
	return id
}

// BlobID returns the ID of a file's content, like git-hash-object(1).
func BlobID(content []byte) (id ID) {
	h := sha1.New()
	h.Write(append(strconv.AppendInt([]byte("blob "), int64(len(content)), 10), 0))
	h.Write(content)
	h.Sum(id[:0])
	return id
}
