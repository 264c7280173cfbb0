package policy

import (
	"context"
	"fmt"
	"os"
)

// Load reads a file and the advisories that it names.
func Load(ctx context.Context, path string) (*Policy, error) {
	in, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening policy: %w", err)
	}
	defer in.Close() //nolint:errcheck // it was read alone
	f, err := Read(in, path)
	if err != nil {
		return nil, err
	}
	return f.Policy(ctx)
}

// Policy returns the policy of f, with the advisories that it names.
func (f *File) Policy(context.Context) (*Policy, error) {
	p := f.policy
	return &p, nil
}
