package flags

import (
	"github.com/urfave/cli/v3"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
)

// Shard is the part of all crates that a run processes, if several machines share the work.
type Shard struct {
	crate.Shard
	text string
}

// Flag returns -shard.
func (s *Shard) Flag(usage string) cli.Flag {
	return &cli.StringFlag{Name: "shard", Usage: usage + " shard `I/N` of the crates, split by the SHA-256 of their names; I counts from 0, N is at most 1024", Destination: &s.text}
}

// Check parses the flag.
func (s *Shard) Check() (err error) {
	if s.text == "" {
		return nil
	}
	if s.Shard, err = crate.ParseShard(s.text); err != nil {
		return Usagef("-shard: %w", err)
	}
	return nil
}
