package crate

import (
	"fmt"
	"testing"
)

// The shard of a crate never changes: bundles keep it in their names for years.
func TestShardGolden(t *testing.T) {
	for name, want := range map[string][4]int{ // of 2, 8, 32, 1000
		"serde": {0, 2, 2, 922}, "Inflector": {1, 3, 11, 827}, "inflector": {1, 3, 11, 827}, "a": {0, 2, 10, 250},
		"tokio": {1, 5, 21, 509}, "1serde": {0, 4, 4, 796},
	} {
		for i, of := range []int{2, 8, 32, 1000} {
			for index := range of {
				if got := (Shard{index, of}).Has(name); got != (index == want[i]) {
					t.Errorf("%d/%d has %s: %v", index, of, name, got)
				}
			}
		}
	}
}

// Similar names, of one prefix and a number, are distributed as evenly as chance allows:
// 10,000 names give each of 32 shards the mean, within a fifth.
func TestShardBalance(t *testing.T) {
	const names = 10_000
	for _, of := range []int{2, 8, 32} {
		counts := make([]int, of)
		for n := range names {
			name, had := fmt.Sprintf("crate-%d", n), 0
			for index := range of {
				if (Shard{index, of}).Has(name) {
					counts[index]++
					had++
				}
			}
			if had != 1 {
				t.Fatalf("%s is in %d of %d shards", name, had, of)
			}
		}
		for index, count := range counts {
			if share := float64(count*of) / names; share < 0.8 || share > 1.2 {
				t.Errorf("shard %d/%d has %.2f of the mean", index, of, share)
			}
		}
	}
}

func TestParseShard(t *testing.T) {
	for s, want := range map[string]Shard{"0/8": {0, 8}, "7/8": {7, 8}, "1023/1024": {1023, 1024}} {
		got, err := ParseShard(s)
		if got != want || err != nil || got.String() != s {
			t.Errorf("ParseShard(%q) = %v, %v", s, got, err)
		}
		if back, err := ParseShardLabel(got.Label()); back != want || err != nil {
			t.Errorf("ParseShardLabel(%q) = %v, %v", got.Label(), back, err)
		}
	}
	if s, err := ParseShard("0/1"); err != nil || !s.All() || s != (Shard{}) || s.String() != "" || s.Label() != "" || !s.Has("serde") {
		t.Errorf("0/1 is %v, %v", s, err)
	}
	for _, bad := range []string{
		"", "/", "8", "8/8", "1/1", "0/0", "-1/8", "0/1025", "0/99999999999", "+1/8", "01/8", "1/08", " 1/8", "1/8 ", "1/8/9", "a/8", "0x1/8",
	} {
		if s, err := ParseShard(bad); err == nil {
			t.Errorf("ParseShard(%q) = %v", bad, s)
		}
	}
	for _, bad := range []string{"", "s", "3of8", "s3/8", "s8of8", "s0of1", "s03of8", "S3of8", "s3of8of9", "s3of8/9"} {
		if s, err := ParseShardLabel(bad); err == nil {
			t.Errorf("ParseShardLabel(%q) = %v", bad, s)
		}
	}
}
