package send

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/blocks"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/durable"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// Policy is a policy to carry.
type Policy struct {
	Name string // its name on the far side
	File string
}

// gate returns what builds here do not see, and its checksum; empty if nothing is hidden.
func (cfg *Config) gate(ctx context.Context) (data []byte, sum string, err error) {
	list, err := blocks.All(ctx, cfg.Dirs.State())
	if err != nil {
		return nil, "", err
	}
	var g transfer.Gate
	if g.Blocks, err = list.Bytes(); err != nil {
		return nil, "", err
	}
	for _, p := range cfg.Policies {
		text, err := os.ReadFile(p.File)
		if err == nil {
			_, err = policy.Read(bytes.NewReader(text), p.File)
		}
		if err != nil {
			return nil, "", fmt.Errorf("carrying the policy %s: %w", p.Name, err)
		}
		g.Policies = append(g.Policies, transfer.Policy{Name: p.Name, Text: string(text)})
	}
	slices.SortFunc(g.Policies, func(a, b transfer.Policy) int { return cmp.Compare(a.Name, b.Name) })
	if data, err = g.Bytes(); err != nil || len(list.Blocks)+len(g.Policies) == 0 {
		return data, "", err
	}
	hash, _, err := crate.Hash(bytes.NewReader(data))
	return data, hash.String(), err
}

// writeGate writes what is hidden. If any earlier transfer brought the far side something
// hidden, it also writes that there is nothing any more.
func (p *plan) writeGate(ctx context.Context, cfg *Config, before points) error {
	data, sum, err := cfg.gate(ctx)
	if err != nil {
		return err
	}
	p.Gate = sum
	if sum == "" && !slices.ContainsFunc(before, func(b point) bool { return b.Gate != "" }) {
		return nil
	}
	p.HasGate = true
	if err := durable.WriteFile(cfg.Sent, gateName, data); err != nil {
		return err
	}
	return p.addSize(cfg, gateName)
}
