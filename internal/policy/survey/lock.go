package survey

import (
	"context"
	"errors"
	"io/fs"
	"slices"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/closure"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/crate"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/policy"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/reader"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/semver"
)

// A Locked is a version in a lock file that is not visible.
type Locked struct {
	crate.ID
	Missing  bool            `json:"missing,omitempty"` // the mirror does not hold it, with the checksum of the file
	Decision policy.Decision `json:"decision"`          // for a held version
	// Compatible is the newest visible version that cargo accepts for the locked version's
	// requirement; Newest is the newest of all. Empty: none.
	Compatible string `json:"newest_compatible,omitempty"`
	Newest     string `json:"newest_shown,omitempty"`
}

// Audit returns the versions of a lock file that are not visible, in its order. It calls
// each for every version that is visible only because of a waiver or a rule that observes.
func (m *Mirror) Audit(ctx context.Context, lock *closure.Lock, each func(crate.ID, policy.Decision)) (hidden []Locked, err error) {
	for _, pin := range lock.Pins {
		c, err := m.View.Crate(ctx, pin.Name)
		if errors.Is(err, fs.ErrNotExist) {
			hidden = append(hidden, Locked{ID: pin.ID, Missing: true})
			continue
		}
		if err != nil {
			return nil, err
		}
		i := slices.IndexFunc(c.Entries, func(e reader.Entry) bool {
			return e.Version == pin.Version && (pin.Checksum == crate.Checksum{} || pin.Checksum == e.Checksum)
		})
		l := Locked{ID: pin.ID, Missing: i < 0}
		if i >= 0 {
			if l.Decision = m.judge(ctx, &c.Entries[i]); l.Decision.Visibility == policy.Shown {
				if l.Decision.Rule != "" {
					each(pin.ID, l.Decision)
				}
				continue
			}
		}
		l.Compatible, l.Newest = m.newest(ctx, c, withoutBuild(pin.Version)), m.newest(ctx, c, "")
		hidden = append(hidden, l)
	}
	return hidden, nil
}

// withoutBuild returns a version without build metadata, as in a requirement; "" for an
// invalid one.
func withoutBuild(version string) string {
	v, err := semver.Parse(version)
	if err != nil {
		return ""
	}
	// Of a compatible range, not only above this version: an older one may do.
	switch {
	case v.Major > 0:
		v.Minor, v.Patch, v.Pre = 0, 0, ""
	case v.Minor > 0:
		v.Patch, v.Pre = 0, ""
	}
	v.Build = ""
	return v.String()
}
