package policy

import (
	"context"
	"fmt"
	"os"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy/advisory"
)

// Load reads a policy file and what it names: advisories, owners.
func Load(ctx context.Context, path string) (*Policy, error) {
	f, err := ReadFile(path)
	if err != nil {
		return nil, err
	}
	return f.Policy(ctx)
}

// ReadFile reads a policy file, but not what it names.
func ReadFile(path string) (*File, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening policy: %w", err)
	}
	defer in.Close()
	return Read(in, path)
}

// Policy reads what f names and returns the complete policy.
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

// Names returns the files and folders that f names and that [File.Policy] reads.
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

// Advisories returns the advisories that p uses, or nil if its file names none.
func (p *Policy) Advisories() *advisory.DB {
	if p.advisories == nil {
		return nil
	}
	return p.advisories.db
}

// Waivers returns the waivers of the file, in its order, including expired ones.
func (p *Policy) Waivers() []*Waiver { return slices.Clone(p.listed) }
