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

// A Locked is a version of a lock file that is not shown.
type Locked struct {
	crate.ID
	Missing  bool            `json:"missing,omitempty"` // the mirror does not hold it, with the checksum of the file
	Decision policy.Decision `json:"decision"`          // of one that is held
	// Compatible is the newest version that is shown and that cargo takes for the locked
	// one's requirement; Newest is that of all. Empty: there is none.
	Compatible string `json:"newest_compatible,omitempty"`
	Newest     string `json:"newest_shown,omitempty"`
}

// Audit says which versions of a lock file are not shown, in its order, and calls each for
// every one that is only shown because of a waiver or of a rule that observes.
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

// withoutBuild is a version as a requirement may name it; one that is no version is "".
func withoutBuild(version string) string {
	v, err := semver.Parse(version)
	if err != nil {
		return ""
	}
	// Of a compatible range, not above this one alone: an older one may do.
	switch {
	case v.Major > 0:
		v.Minor, v.Patch, v.Pre = 0, 0, ""
	case v.Minor > 0:
		v.Patch, v.Pre = 0, ""
	}
	v.Build = ""
	return v.String()
}
