package send

import (
	"fmt"

	"github.com/APTlantis/Mirror-Rust-Crates/internal/transfer"
)

// room assigns files to volumes, which are filled one after the other.
type room struct {
	limit  int64 // bytes of a volume for files
	volume int   // the one being filled, from 1; 0: none yet
	used   int64 // bytes of it
}

// A VolumeError says that a file does not fit into any volume.
type VolumeError struct {
	Name       string
	Size, Room int64
}

func (e *VolumeError) Error() string {
	return fmt.Sprintf("%s has %d bytes, and a volume has room for %d: give a larger -volume", e.Name, e.Size, e.Room)
}

// A VolumesError says that a transfer would need too many volumes.
type VolumesError struct {
	Volumes int64 // minimum number
}

func (e *VolumesError) Error() string {
	return fmt.Sprintf("it takes %d volumes or more, and a transfer has at most %d: give a larger -volume", e.Volumes, transfer.MaxVolumes)
}

// checkVolumes refuses a number of volumes that the far side would not read. Errors:
// *VolumesError.
func checkVolumes(n int64) error {
	if n > transfer.MaxVolumes {
		return &VolumesError{n}
	}
	return nil
}

// left returns the free space of the volume, in bytes.
func (r *room) left() int64 {
	if r.volume == 0 {
		return r.limit
	}
	return r.limit - r.used
}

// put chooses the volume of a file.
func (r *room) put(name string, size int64) (volume int, err error) {
	if size > r.limit {
		return 0, &VolumeError{name, size, r.limit}
	}
	if r.volume == 0 || size > r.left() {
		r.next()
	}
	r.used += size
	return r.volume, nil
}

// next begins another volume.
func (r *room) next() { r.volume, r.used = r.volume+1, 0 }
