package send

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/bundle"
	"github.com/APTlantis/Mirror-Rust-Crates/internal/deep"
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
	for _, p := range []plan{{Volume: 64 << 10, Bytes: 1e9, Parity: 5}, {Volume: 256 << 10, Bytes: 1 << 20, Parity: 5}} {
		if _, _, err := p.volumes(); !errors.As(err, new(*VolumeError)) {
			t.Errorf("%+v, volumes without room: %v", p, err)
		}
	}
	// Should the estimate be too low, too.
	w := writer{}
	if err := w.folder(transfer.MaxVolumes + 1); !errors.As(err, new(*VolumesError)) {
		t.Errorf("volume %d: %v", transfer.MaxVolumes+1, err)
	}
}

// TestTooManyFiles: of more files of the mirror than a transfer may have, the crates of the
// smallest ones are put into bundles of the transfer.
func TestTooManyFiles(t *testing.T) {
	var all []candidate
	for i := range 3 {
		all = append(all, candidate{bundle.FileName(i), int64(10 + i), 5}, candidate{deep.FileName(i), int64(100 - i), 70})
	}
	var p plan
	p.pick(all, 4)
	want := plan{Bundles: []string{bundle.FileName(2)}, Segments: []string{deep.FileName(0), deep.FileName(1), deep.FileName(2)}, Bytes: 12 + 100 + 99 + 98 + 5 + 5}
	if diff := cmp.Diff(want, p, cmp.AllowUnexported(plan{})); diff != "" {
		t.Error(diff)
	}
	if most := maxWhole + 2*transfer.MaxVolumes; most > transfer.MaxFiles {
		t.Errorf("a transfer may have %d files, more than %d", most, transfer.MaxFiles)
	}
}
