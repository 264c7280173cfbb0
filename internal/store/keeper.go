package store

import "io"

// KeptInMemory is the maximum number of bytes that a Keeper holds in memory. Mirroring has at
// most two per processor.
const KeptInMemory = 4 << 20

// Keeper keeps what is written to it, to store it elsewhere too: exactly the bytes that were
// hashed, whatever happens to the file meanwhile (E11).
type Keeper struct {
	New func() (Spill, error) // is called if the bytes are too many for the memory

	wanted bool
	data   []byte
	file   Spill // all bytes, once they are too many for data
}

// When returns the keeper if it is wanted, and io.Discard otherwise.
func (k *Keeper) When(wanted bool) io.Writer {
	if !wanted {
		return io.Discard
	}
	k.wanted = true
	return k
}

// Wanted reports whether When returned the keeper.
func (k *Keeper) Wanted() bool { return k.wanted }

// Write implements io.Writer.
func (k *Keeper) Write(p []byte) (int, error) {
	if k.file == nil && len(k.data)+len(p) <= KeptInMemory {
		k.data = append(k.data, p...)
		return len(p), nil
	}
	if k.file == nil {
		var err error
		if k.file, err = k.New(); err != nil {
			return 0, err
		}
		if _, err := k.file.Write(k.data); err != nil {
			return 0, err
		}
		k.data = nil
	}
	return k.file.Write(p)
}

// Body returns the kept bytes, size in all, of a crate that is already at has.
func (k *Keeper) Body(size int64, has Placement) *Body {
	return &Body{Data: k.data, Spill: k.file, Size: size, Has: has}
}

// Discard removes what is kept in a file.
func (k *Keeper) Discard() error {
	if k.file == nil {
		return nil
	}
	return k.file.Discard()
}
