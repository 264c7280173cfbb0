package flags

import (
	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Shard is which part of all crates a run is about, where many machines share them out.
type Shard struct {
	crate.Shard
	text string
}

// Flag is -shard.
func (s *Shard) Flag(usage string) cli.Flag {
	return &cli.StringFlag{Name: "shard", Usage: usage + " shard `I/N` of the crates, split by the SHA-256 of their names; I counts from 0, N is at most 1024", Destination: &s.text}
}

// Check reads it.
func (s *Shard) Check() (err error) {
	if s.text == "" {
		return nil
	}
	if s.Shard, err = crate.ParseShard(s.text); err != nil {
		return Usagef("-shard: %w", err)
	}
	return nil
}
