package durable

import "time"

// A State identifies one state of a file: a file that was read need not be read again while
// its State is the same. States are compared with ==.
//
// It consists of what programs cannot set. They can set the time of the last write: rsync,
// tar and touch restore it, after which a changed file of the same size looks unchanged.
// Only the system sets the time of the last change of the file's bytes or attributes
// (ctime; ChangeTime on Windows). FAT and some network file systems lack it; there a State
// has the time of the last write instead, and is only as reliable.
type State struct {
	ID       uint64 // inode or file number; 0: unknown
	Size     int64
	Modified int64 // Unix nanoseconds
	Changed  int64 // Unix nanoseconds
}

// clockGrain is the longest time between two changes that may get the same time, on the
// coarsest clock of a file system (FAT: two seconds).
const clockGrain = 2 * time.Second

// Settled reports whether a change after now will change the State. It may not if the last
// change was within a tick of the file system's clock: the next one may get the same time.
func (s State) Settled(now time.Time) bool {
	return now.Sub(time.Unix(0, s.Changed)) > clockGrain
}

// StateOf returns the state of an open file.
func StateOf(f File) (State, error) {
	if known, ok := f.(interface{ State() (State, error) }); ok {
		return known.State()
	}
	info, err := f.Stat()
	if err != nil {
		return State{}, err
	}
	modified := info.ModTime().UnixNano()
	return State{Size: info.Size(), Modified: modified, Changed: modified}, nil
}
