package send

import "fmt"

// room says which volume a file goes to. Volumes are filled one after the other.
type room struct {
	limit  int64 // bytes that a volume has for files
	volume int   // that is being filled, from 1; 0: none yet
	used   int64 // of it
}

// A VolumeError says that a file does not fit into any volume.
type VolumeError struct {
	Name       string
	Size, Room int64
}

func (e *VolumeError) Error() string {
	return fmt.Sprintf("%s has %d bytes, and a volume has room for %d: give a larger -volume", e.Name, e.Size, e.Room)
}

// left is how much of the volume is left.
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
