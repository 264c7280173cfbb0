package survey

import (
	"context"
	"fmt"
	"io/fs"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/export"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
)

// Exported is the part of a mirror that is exported: what the policy shows and is not
// blocked by hand. Hidden lines and their crate files are left out, even if they are only
// hidden from resolution.
type Exported struct {
	export.Mirror
	By *Mirror
}

// Crate implements [export.Mirror].
func (x *Exported) Crate(ctx context.Context, name string) (*reader.Crate, error) {
	all, err := x.Mirror.Crate(ctx, name)
	if err != nil {
		return nil, err
	}
	c := *all
	c.Entries = nil // the unfiltered ones are not ours
	for i := range all.Entries {
		e := &all.Entries[i]
		if x.By.judge(ctx, e).Visibility == policy.Shown {
			c.Entries = append(c.Entries, *e)
		}
	}
	if len(c.Entries) == 0 {
		return nil, fmt.Errorf("%s: the policy hides every version of it: %w", name, fs.ErrNotExist)
	}
	c.Left += len(all.Entries) - len(c.Entries)
	return &c, nil
}
