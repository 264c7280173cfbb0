package policy

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy/advisory"
)

// Load reads a file and what it names: advisories, owners.
func Load(ctx context.Context, path string) (*Policy, error) {
	f, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	return f.Policy(ctx)
}

// ReadFile reads a file, and nothing that it names.
func ReadFile(path string) (*File, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening policy: %w", err)
	}
	defer in.Close()
	return Read(in, path)
}

// Policy returns the policy of f with what it names.
func (f *File) Policy(ctx context.Context) (*Policy, error) {
	p := f.policy
	var err error
	if p.advisories != nil {
		rule := *p.advisories
		if rule.db, err = advisory.Load(ctx, rule.dirs); err != nil {
			return nil, fmt.Errorf("loading policy %s: %w", f.Name, err)
		}
		p.advisories = &rule
	}
	if p.owners != nil {
		rule := *p.owners
		if rule.changes, err = readOwners(rule.file); err != nil {
			return nil, fmt.Errorf("loading policy %s: %w", f.Name, err)
		}
		p.owners = &rule
	}
	return &p, nil
}

// Names are the files and folders that f names: those of [File.Policy].
func (f *File) Names() []string {
	p := &f.policy
	var all []string
	if p.advisories != nil {
		all = append(all, p.advisories.dirs...)
	}
	if p.owners != nil {
		all = append(all, p.owners.file)
	}
	return all
}

// Advisories are those that p heeds; nil: its file names none.
func (p *Policy) Advisories() *advisory.DB {
	if p.advisories == nil {
		return nil
	}
	return p.advisories.db
}

// Waivers are those of the file, in its order; also those that are over.
func (p *Policy) Waivers() []*Waiver { return slices.Clone(p.listed) }
