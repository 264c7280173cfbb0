package crate

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"strconv"
	"strings"
)

// MaxShards is the largest number of shards.
const MaxShards = 1024

// Shard is one of the equal parts into which all crates are divided by name, so that
// several machines can share work without communicating. It is counted from 0, like the
// pods of an Indexed Job in Kubernetes. The zero value means all crates.
//
// Any program can compute the shard of a crate: the first eight bytes of the SHA-256 of the
// lower-case name, as a big-endian number, modulo the number of shards.
//
//	printf serde | sha256sum | head -c 16     # 8b917c4b6163bc82, modulo 8 is 2
//
// All versions of a crate are in one shard.
type Shard struct{ Index, Of int }

// ParseShard parses 3/8, the fourth of eight shards. 0/1 means all crates.
func ParseShard(s string) (Shard, error) {
	index, of, found := strings.Cut(s, "/")
	n, errIndex := strconv.ParseUint(index, 10, 16)
	m, errOf := strconv.ParseUint(of, 10, 16)
	shard := Shard{int(n), int(m)}
	if !found || errIndex != nil || errOf != nil || m == 0 || m > MaxShards || n >= m || shard.text("/") != s {
		return Shard{}, fmt.Errorf("shard %.40q is not I/N with N of 1 to %d and I of 0 to N-1", s, MaxShards)
	}
	if m == 1 {
		return Shard{}, nil
	}
	return shard, nil
}

func (s Shard) text(between string) string {
	return strconv.Itoa(s.Index) + between + strconv.Itoa(s.Of)
}

// All reports whether the shard contains all crates.
func (s Shard) All() bool { return s.Of <= 1 }

// String returns the form that ParseShard parses; empty for all.
func (s Shard) String() string {
	if s.All() {
		return ""
	}
	return s.text("/")
}

// Label returns the form used in file names: s3of8; empty for all.
func (s Shard) Label() string {
	if s.All() {
		return ""
	}
	return "s" + s.text("of")
}

// ParseShardLabel is the inverse of Label.
func ParseShardLabel(label string) (Shard, error) {
	numbers, found := strings.CutPrefix(label, "s")
	s, err := ParseShard(strings.Replace(numbers, "of", "/", 1))
	if err != nil || !found || s.Label() != label {
		return Shard{}, fmt.Errorf("%.40q is no label of a shard", label)
	}
	return s, nil
}

// Has reports whether a crate belongs to the shard.
func (s Shard) Has(name string) bool { return s.All() || ShardOf(name, s.Of) == s.Index }

// ShardOf returns which of the given number of shards a crate belongs to.
func ShardOf(name string, of int) int {
	sum := sha256.Sum256([]byte(strings.ToLower(name)))
	return int(binary.BigEndian.Uint64(sum[:]) % uint64(of))
}
