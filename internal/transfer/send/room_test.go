package send

import (
	"errors"
	"testing"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// TestTooManyVolumes: what takes more volumes than the far side reads is refused before
// anything is written: 1 TB on CDs.
func TestTooManyVolumes(t *testing.T) {
	p := plan{Volume: 700e6, Bytes: 650e9}
	if _, n, err := p.volumes(); err != nil || n < 929 {
		t.Errorf("650 GB: %d, %v", n, err)
	}
	for _, p := range []plan{{Volume: 700e6, Bytes: 1e12}, {Volume: 700e6, Bytes: 650e9, Parity: 20}} {
		_, n, err := p.volumes()
		if many := new(VolumesError); !errors.As(err, &many) || many.Volumes != n || n <= transfer.MaxVolumes {
			t.Errorf("%+v: %d, %v", p, n, err)
		}
	}
	p = plan{Volume: 64 << 10, Bytes: 1e9, Parity: 5}
	if _, _, err := p.volumes(); !errors.As(err, new(*VolumeError)) {
		t.Errorf("volumes without room: %v", err)
	}
	// Should the estimate be too low, too.
	w := writer{}
	if err := w.folder(transfer.MaxVolumes + 1); !errors.As(err, new(*VolumesError)) {
		t.Errorf("volume %d: %v", transfer.MaxVolumes+1, err)
	}
}
